"""Exec and attach over WebSocket: each stream of the command is a channel of messages."""

from cri_shim.oci.command import Streams
from cri_shim.streaming.link import Link
from cri_shim.streaming.remotecommand import Begin, RemoteCommand, Spawn
from cri_shim.streaming.websocket import WebSocket, send
from cri_shim.wire import channels
from cri_shim.wire import remotecommand as wire
from cri_shim.wire.channels import BadMessage, ChannelClosed, ChannelData, Channels
from cri_shim.wire.negotiation import V5
from cri_shim.wire.remotecommand import Outcome

_CHANNELS = {wire.STDOUT: channels.STDOUT, wire.STDERR: channels.STDERR}
_UNSUPPORTED_DATA = 1003


class WebSocketCommand:
    """A Session towards its connection, a Peer towards its RemoteCommand."""

    def __init__(
        self, link: Link, protocol: str, streams: Streams, begin: Begin, spawn: Spawn
    ) -> None:
        self._link = link
        self._protocol = protocol
        self._ws = WebSocket(link)
        self._channels = Channels(protocol)
        self._stdin = streams.stdin
        self._tty = streams.tty
        self._command = RemoteCommand(begin, self, spawn)
        self._finished = False
        if protocol != V5:  # an empty message, as the reference server begins with
            first = channels.STDOUT if streams.stdout else channels.STDERR
            self._send(first, b"")
        self._command.start()

    # -- from the client: Session -------------------------------------------------------------

    def received(self, data: bytes) -> None:
        for piece, last in self._ws.receive(data):
            for event in self._channels.decode(piece, finished=last):
                match event:
                    case ChannelData(channels.STDIN, some) if self._stdin:
                        self._command.stdin(some)
                    case ChannelData(channels.RESIZE, some) if self._tty:
                        self._command.resize(some)
                    case ChannelClosed(channels.STDIN) if self._stdin:
                        self._command.stdin_end()
                    case BadMessage():
                        self._ws.close(_UNSUPPORTED_DATA)
                        return
                    case _:
                        pass  # a channel that is not the client's to write to

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
        if self._finished:
            return
        self._finished = True
        if status := wire.encode_outcome(self._protocol, outcome):
            self._send(channels.ERROR, status)
        self._ws.close()

    def _send(self, channel: int, data: bytes) -> None:
        send(self._ws, self._channels, channel, data)
