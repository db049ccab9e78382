"""Exec and attach over WebSocket: each stream of the command is a channel of messages."""

import asyncio

from cri_shim.oci.command import Streams
from cri_shim.streaming.link import Link
from cri_shim.streaming.means import Means
from cri_shim.streaming.patience import REASON, Patience
from cri_shim.streaming.remotecommand import Begin, RemoteCommand
from cri_shim.streaming.websocket import WebSocket, send
from cri_shim.wire import channels
from cri_shim.wire import remotecommand as wire
from cri_shim.wire.channels import BadMessage, ChannelClosed, ChannelData, ChannelEvent, Channels
from cri_shim.wire.negotiation import V5
from cri_shim.wire.remotecommand import Outcome
from cri_shim.wire.websocket import CloseCode

_CHANNELS = {wire.STDOUT: channels.STDOUT, wire.STDERR: channels.STDERR}


class WebSocketCommand:
    """A Session towards its connection, a Peer towards its RemoteCommand."""

    def __init__(
        self, link: Link, protocol: str, streams: Streams, begin: Begin, means: Means
    ) -> None:
        self._link = link
        self._protocol = protocol
        self._ws = WebSocket(link)
        self._channels = Channels(protocol)
        self._stdin = streams.stdin
        self._tty = streams.tty
        self._means = means
        self._command = RemoteCommand(begin, self, means)
        self._finished = False
        self._patience = Patience(asyncio.get_running_loop().time)
        if protocol != V5:  # an empty message, as the reference server begins with
            first = channels.STDOUT if streams.stdout else channels.STDERR
            self._send(first, b"")
        self._command.start()

    # -- from the client: Session -------------------------------------------------------------

    def received(self, data: bytes | bytearray) -> None:
        self._ws.feed(data)

    def work(self, frames: int) -> int:
        before, input = self._ws.frames, 0
        for piece in self._ws.take(frames):
            for event in self._channels.decode(piece.data, finished=piece.last):
                input += self._take(event)
        done = self._ws.frames - before
        if done > input and not self._patience.idle(done - input):
            self._refuse(REASON)
        return done

    def _take(self, event: ChannelEvent) -> bool:
        """Whether it was input."""
        match event:
            case ChannelData(channels.STDIN, some) if self._stdin:
                self._patience.moved()
                self._command.stdin(some)
                return True
            case ChannelData(channels.RESIZE, some) if self._tty:
                self._command.resize(some)
            case ChannelClosed(channels.STDIN) if self._stdin:
                self._command.stdin_end()
            case BadMessage():
                self._ws.close(CloseCode.UNSUPPORTED_DATA)
            case _:
                pass  # a channel that is not the client's to write to
        return False

    def _refuse(self, reason: str) -> None:
        """The client only keeps us busy: it and its command end here."""
        if not self._finished:
            self._means.refused(reason)
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

    def output(self, kind: str, data: bytes) -> None:
        self._send(_CHANNELS[kind], data)

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
            self._send(channels.ERROR, status)
        self._ws.close(code, reason)

    def _send(self, channel: int, data: bytes) -> None:
        send(self._ws, self._channels, channel, data)
