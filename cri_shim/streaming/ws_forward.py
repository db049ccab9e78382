"""Port-forward over WebSocket: the SPDY tunnel of today's clients, and the channels of old ones."""

from collections.abc import Sequence

from cri_shim.streaming.forward import Forward
from cri_shim.streaming.link import Buffer, Link
from cri_shim.streaming.remotecommand import Spawn
from cri_shim.streaming.spdy_forward import ConnectTo, SpdyForward
from cri_shim.streaming.websocket import WebSocket, send
from cri_shim.wire.channels import BadMessage, ChannelData, Channels
from cri_shim.wire.forward import ChannelPair, legacy_channels

_UNSUPPORTED_DATA = 1003


class WebSocketTunnel:
    """A Session whose messages are one stream of SPDY, and the Link of the session inside."""

    def __init__(self, link: Link, connect: ConnectTo, spawn: Spawn) -> None:
        self._link = link
        self._ws = WebSocket(link)
        self._inner = SpdyForward(self, connect, spawn)

    def received(self, data: bytes) -> None:
        for piece, _ in self._ws.receive(data):
            if isinstance(piece, str):
                self._ws.close(_UNSUPPORTED_DATA)
                return
            self._inner.received(bytes(piece))

    def gone(self) -> None:
        self._inner.gone()

    def pause(self) -> None:
        self._inner.pause()

    def resume(self) -> None:
        self._inner.resume()

    def end(self, reason: str) -> None:
        self._inner.end(reason)

    # -- Link ---------------------------------------------------------------------------------

    def write(self, pieces: Sequence[Buffer]) -> None:
        self._ws.send(*pieces)

    def backlog(self) -> int:
        return self._link.backlog()

    def throttle(self, on: bool) -> None:
        self._link.throttle(on)

    def close(self) -> None:
        self._ws.close()

    def abort(self) -> None:
        self._link.abort()


class WebSocketChannels:
    """A Session with two channels for each port of the request, and one connection to each."""

    def __init__(
        self, link: Link, protocol: str, ports: Sequence[int], connect: ConnectTo, spawn: Spawn
    ) -> None:
        self._link = link
        self._ws = WebSocket(link)
        self._channels = Channels(protocol)
        self._forwards: dict[int, Forward] = {}  # by the data channel
        self._left: set[int] = set()
        self._blocked: set[int] = set()
        for pair in legacy_channels(ports):
            self.send(pair.data, pair.greeting)
            self.send(pair.error, pair.greeting)
            self._begin(pair, connect, spawn)

    def _begin(self, pair: ChannelPair, connect: ConnectTo, spawn: Spawn) -> None:
        forward = Forward(_Channel(self, pair))
        self._forwards[pair.data] = forward
        self._left.add(pair.data)
        spawn(f"forward to port {pair.port}", forward.run(lambda: connect(pair.port)))

    def received(self, data: bytes) -> None:
        for piece, last in self._ws.receive(data):
            for event in self._channels.decode(piece, finished=last):
                if isinstance(event, BadMessage):
                    self._ws.close(_UNSUPPORTED_DATA)
                    return
                if isinstance(event, ChannelData) and event.channel in self._forwards:
                    self._forwards[event.channel].feed(event.data)

    def gone(self) -> None:
        for forward in self._forwards.values():
            forward.abort()

    def pause(self) -> None:
        for forward in self._forwards.values():
            forward.pause()

    def resume(self) -> None:
        for forward in self._forwards.values():
            forward.resume()

    def end(self, reason: str) -> None:
        self.gone()
        self._ws.close()

    # -- from the connections -----------------------------------------------------------------

    def send(self, channel: int, data: bytes) -> None:
        send(self._ws, self._channels, channel, data)

    def over(self, channel: int) -> None:
        """A channel cannot be ended alone: the last connection ends the session."""
        self._left.discard(channel)
        if not self._left:
            self._ws.close()

    def blocked(self, channel: int, on: bool) -> None:
        before = bool(self._blocked)
        (self._blocked.add if on else self._blocked.discard)(channel)
        if bool(self._blocked) != before:
            self._link.throttle(not before)


class _Channel:
    """The client's two channels of one connection."""

    def __init__(self, session: WebSocketChannels, pair: ChannelPair) -> None:
        self._session = session
        self._pair = pair

    def data(self, data: bytes) -> None:
        self._session.send(self._pair.data, data)

    def data_end(self) -> None:
        """Cannot be said."""

    def failed(self, text: str) -> None:
        self._session.send(self._pair.error, text.encode())

    def over(self, broken: bool) -> None:
        self._session.over(self._pair.data)

    def blocked(self, on: bool) -> None:
        self._session.blocked(self._pair.data, on)
