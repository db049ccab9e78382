"""Port-forward over WebSocket: the SPDY tunnel of today's clients, the channels of old ones."""

import asyncio
from collections.abc import Sequence

from cri_shim.streaming.flood import REASON, FloodLimit
from cri_shim.streaming.forward import Forward
from cri_shim.streaming.link import Buffer, Link
from cri_shim.streaming.memory import SESSION_INPUT
from cri_shim.streaming.resources import Resources
from cri_shim.streaming.spdy_forward import ConnectTo, SpdyForward
from cri_shim.streaming.websocket import WebSocket, send
from cri_shim.wire.channels import BadMessage, ChannelData, Channels
from cri_shim.wire.forward import ChannelPair, legacy_channels
from cri_shim.wire.websocket import CloseCode


class WebSocketTunnel:
    """A Session whose messages carry a SPDY connection, and the Link of the SPDY session."""

    def __init__(self, link: Link, connect: ConnectTo, resources: Resources) -> None:
        self._link = link
        self._ws = WebSocket(link)
        self._resources = resources
        self._flood = FloodLimit(asyncio.get_running_loop().time)
        self._inner = SpdyForward(self, connect, resources)

    def received(self, data: bytes | bytearray) -> None:
        self._ws.feed(data)

    def work(self, frames: int) -> int:
        """Handle frames; those of both protocols count."""
        done = self._inner.work(frames)
        while done < frames:
            before, idle = self._ws.frames, self._ws.idle_frames
            piece = self._ws.next()
            if self._ws.frames == before:
                break
            done += 1
            if self._ws.idle_frames > idle and not self._flood.idle(1):
                self._refuse(REASON)
                return 0
            if piece is None or not piece.data:
                continue
            if isinstance(piece.data, str):
                self._ws.close(CloseCode.UNSUPPORTED_DATA)
                return 0
            self._flood.moved()
            self._inner.received(piece.data)
            done += self._inner.work(frames - done)
        return done

    def _refuse(self, reason: str) -> None:
        """The client floods the server: end the session and all its connections."""
        self._resources.refused(reason)
        self._ws.close(CloseCode.PROTOCOL_ERROR, reason)
        self._inner.gone()

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
        if reason := self._inner.reason:
            self._ws.close(CloseCode.PROTOCOL_ERROR, reason)
        else:
            self._ws.close()

    def abort(self) -> None:
        self._link.abort()


class WebSocketChannels:
    """A Session with two channels for each port of the request, and one connection to each."""

    def __init__(
        self,
        link: Link,
        protocol: str,
        ports: Sequence[int],
        connect: ConnectTo,
        resources: Resources,
    ) -> None:
        self._ws = WebSocket(link)
        self._channels = Channels(protocol)
        self._resources = resources
        self._forwards: dict[int, Forward] = {}  # by the data channel
        self._left: set[int] = set()
        self._waiting = resources.input.share(SESSION_INPUT, link.throttle)
        self._flood = FloodLimit(asyncio.get_running_loop().time)
        for pair in legacy_channels(ports):
            self.send(pair.data, pair.greeting)
            self.send(pair.error, pair.greeting)
            self._begin(pair, connect)
        if ports and not self._left:
            self._ws.close(CloseCode.TRY_AGAIN_LATER)

    def _begin(self, pair: ChannelPair, connect: ConnectTo) -> None:
        if problem := self._resources.connections.connect():
            self._resources.refused(f"its connection to port {pair.port} is refused: {problem}")
            self.send(pair.error, problem.encode())
            return
        forward = Forward(_Channel(self, pair), self._resources.connections.disconnect)
        self._forwards[pair.data] = forward
        self._left.add(pair.data)
        run = forward.run(lambda: connect(pair.port))
        self._resources.spawn(f"forward to port {pair.port}", run)

    def received(self, data: bytes | bytearray) -> None:
        self._ws.feed(data)

    def work(self, frames: int) -> int:
        before, input = self._ws.frames, 0
        for piece in self._ws.take(frames):
            for event in self._channels.decode(piece.data, finished=piece.last):
                if isinstance(event, BadMessage):
                    self._ws.close(CloseCode.UNSUPPORTED_DATA)
                    return 0
                if isinstance(event, ChannelData) and event.channel in self._forwards:
                    self._flood.moved()
                    self._forwards[event.channel].feed(event.data)
                    input += 1
        done = self._ws.frames - before
        if done > input and not self._flood.idle(done - input):
            self._refuse(REASON)
        return done

    def _refuse(self, reason: str) -> None:
        """The client floods the server: end the session and all its connections."""
        self._resources.refused(reason)
        self._ws.close(CloseCode.PROTOCOL_ERROR, reason)
        self.gone()

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

    def ended(self, channel: int) -> None:
        """End the session with its last connection: a single channel cannot be ended."""
        self._left.discard(channel)
        if not self._left:
            self._ws.close()

    def waits(self, by: int) -> None:
        """A connection that does not read pauses all of them: the protocol has no other way."""
        self._waiting.hold(self._waiting.held + by)


class _Channel:
    """The client's two channels of one connection."""

    def __init__(self, session: WebSocketChannels, pair: ChannelPair) -> None:
        self._session = session
        self._pair = pair

    def data(self, data: bytes) -> None:
        self._session.send(self._pair.data, data)

    def data_end(self) -> None:
        """Do nothing: the protocol cannot express it."""

    def failed(self, text: str) -> None:
        self._session.send(self._pair.error, text.encode())

    def ended(self, broken: bool) -> None:
        self._session.ended(self._pair.data)

    def waits(self, by: int) -> None:
        self._session.waits(by)
