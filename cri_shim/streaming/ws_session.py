"""Exec and attach over WebSocket: each stream of the command is a channel of messages."""

import asyncio

from cri_shim.oci.command import Streams
from cri_shim.streaming.flood import REASON, FloodLimit
from cri_shim.streaming.link import Link
from cri_shim.streaming.remotecommand import Begin, RemoteCommand
from cri_shim.streaming.resources import Resources
from cri_shim.streaming.websocket import WebSocket, send
from cri_shim.wire import remotecommand as wire
from cri_shim.wire.channels import BadMessage, ChannelClosed, ChannelData, ChannelEvent, Channels
from cri_shim.wire.negotiation import V5
from cri_shim.wire.remotecommand import Outcome, Stream
from cri_shim.wire.websocket import CloseCode


class WebSocketCommand:
    """The Session of its connection and the Peer of its RemoteCommand."""

    def __init__(
        self, link: Link, protocol: str, streams: Streams, begin: Begin, resources: Resources
    ) -> None:
        self._link = link
        self._protocol = protocol
        self._ws = WebSocket(link)
        self._channels = Channels(protocol)
        self._stdin = streams.stdin
        self._tty = streams.tty
        self._resources = resources
        self._command = RemoteCommand(begin, self, resources)
        self._finished = False
        self._flood = FloodLimit(asyncio.get_running_loop().time)
        if protocol != V5:  # begin with an empty message, like the reference server
            first = Stream.STDOUT if streams.stdout else Stream.STDERR
            self._send(first, b"")
        self._command.start()

    # -- from the client: Session -------------------------------------------------------------

    def received(self, data: bytes | bytearray) -> None:
        self._ws.feed(data)

    def work(self, frames: int) -> int:
        before, input = self._ws.frames, 0
        for piece in self._ws.take(frames):
            for event in self._channels.decode(piece.data, finished=piece.last):
                input += self._handle(event)
        done = self._ws.frames - before
        if done > input and not self._flood.idle(done - input):
            self._refuse(REASON)
        return done

    def _handle(self, event: ChannelEvent) -> bool:
        """Handle an event; return whether it was input."""
        match event:
            case ChannelData(Stream.STDIN, some) if self._stdin:
                self._flood.moved()
                self._command.stdin(some)
                return True
            case ChannelData(Stream.RESIZE, some) if self._tty:
                self._command.resize(some)
            case ChannelClosed(Stream.STDIN) if self._stdin:
                self._command.stdin_end()
            case BadMessage():
                self._ws.close(CloseCode.UNSUPPORTED_DATA)
            case _:
                pass  # a channel on which the client must not send
        return False

    def _refuse(self, reason: str) -> None:
        """The client floods the server: end the session and its command."""
        if not self._finished:
            self._resources.refused(reason)
            self._end(Outcome(error=reason), CloseCode.PROTOCOL_ERROR, reason)
            self._command.gone()

    def gone(self) -> None:
        self._command.gone()

    def pause(self) -> None:
        self._command.pause()

    def resume(self) -> None:
        self._command.resume()

    def end(self, reason: str) -> None:
        self._command.end(reason)

    # -- to the client: Peer ------------------------------------------------------------------

    def output(self, kind: Stream, data: bytes) -> None:
        self._send(kind, data)

    def backlog(self) -> int:
        return self._link.backlog()

    def throttle(self, on: bool) -> None:
        self._link.throttle(on)

    def finish(self, outcome: Outcome) -> None:
        if not self._finished:
            self._end(outcome, CloseCode.NORMAL)

    def _end(self, outcome: Outcome, code: CloseCode, reason: str = "") -> None:
        self._finished = True
        if status := wire.encode_outcome(self._protocol, outcome):
            self._send(Stream.ERROR, status)
        self._ws.close(code, reason)

    def _send(self, channel: int, data: bytes) -> None:
        send(self._ws, self._channels, channel, data)
