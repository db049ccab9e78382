"""Port-forward over SPDY, alone or inside a WebSocket tunnel: many connections in one session.

A pair of streams is one connection. What goes wrong with one is told on its error stream only if
it could not be connected at all: the clients take any word there for the end of everything.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from cri_shim.streaming.forward import Forward
from cri_shim.streaming.link import Link
from cri_shim.streaming.remotecommand import Spawn
from cri_shim.wire.forward import Pair, Pairing, Refused
from cri_shim.wire.spdy import (
    Connection,
    DataReceived,
    ProtocolError,
    Reset,
    Role,
    StreamOpened,
    StreamReset,
)

ConnectTo = Callable[[int], Awaitable[socket.socket]]


class SpdyForward:
    """A Session. `connect` makes a connection to a port of the pod."""

    def __init__(self, link: Link, connect: ConnectTo, spawn: Spawn) -> None:
        self._link = link
        self._connect = connect
        self._spawn = spawn
        self._spdy = Connection(Role.SERVER)
        self._pairing = Pairing()
        self._forwards: dict[int, Forward] = {}  # by the data stream
        self._blocked: set[int] = set()
        self._paused = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    # -- from the client: Session -------------------------------------------------------------

    def received(self, data: bytes) -> None:
        for event in self._spdy.receive(data):
            match event:
                case DataReceived():
                    self._data(event)
                case StreamOpened():
                    self._opened(event)
                case StreamReset():
                    self._reset(event.stream)
                case ProtocolError():
                    self.flush()
                    self._drop()
                    self._link.close()
                    return
        self.flush()

    def _data(self, event: DataReceived) -> None:
        forward = self._forwards.get(event.stream)
        if forward is None:
            return  # an error stream, which the client ends at once, or what is over already
        if event.data:
            forward.feed(event.data)
        if event.fin:
            forward.feed_end()

    def _opened(self, event: StreamOpened) -> None:
        found = self._pairing.add(event.stream, event.headers, self._loop.time())
        if isinstance(found, Refused):
            self._spdy.reset(event.stream, Reset.PROTOCOL_ERROR)
            return
        self._spdy.accept(event.stream)
        if found is not None:
            self._begin(found)
        if self._timer is None and self._pairing.deadline is not None:
            self._timer = self._loop.call_at(self._pairing.deadline, self._look_overdue)

    def _begin(self, pair: Pair) -> None:
        forward = Forward(_Pair(self, self._spdy, pair))
        self._forwards[pair.data] = forward
        if self._paused:
            forward.pause()
        self._spawn(f"forward to port {pair.port}", forward.run(lambda: self._connect(pair.port)))

    def _look_overdue(self) -> None:
        for stream in self._pairing.overdue(self._loop.time()):
            self._spdy.reset(stream)
        self.flush()
        deadline = self._pairing.deadline
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._look_overdue)

    def _reset(self, stream: int) -> None:
        self._pairing.forget(stream)
        if (forward := self._forwards.get(stream)) is not None:
            forward.abort()

    def gone(self) -> None:
        self._drop()

    def pause(self) -> None:
        self._paused = True
        for forward in self._forwards.values():
            forward.pause()

    def resume(self) -> None:
        self._paused = False
        for forward in self._forwards.values():
            forward.resume()

    def end(self, reason: str) -> None:
        self._drop()
        self._spdy.goaway()
        self.flush()
        self._link.close()

    def _drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for forward in list(self._forwards.values()):
            forward.abort()

    # -- from the connections -----------------------------------------------------------------

    def flush(self) -> None:
        if out := self._spdy.outgoing():
            self._link.write(out)

    def over(self, pair: Pair) -> None:
        self._forwards.pop(pair.data, None)

    def blocked(self, pair: Pair, on: bool) -> None:
        """One connection that does not read holds up all: there is no other way to say stop."""
        before = bool(self._blocked)
        (self._blocked.add if on else self._blocked.discard)(pair.data)
        if bool(self._blocked) != before:
            self._link.throttle(not before)


class _Pair:
    """The client's two streams of one connection."""

    def __init__(self, session: SpdyForward, spdy: Connection, pair: Pair) -> None:
        self._session = session
        self._spdy = spdy
        self._pair = pair

    def data(self, data: bytes) -> None:
        if self._spdy.writable(self._pair.data):
            self._spdy.send(self._pair.data, data)
            self._session.flush()

    def data_end(self) -> None:
        self._fin(self._pair.data)
        self._session.flush()

    def failed(self, text: str) -> None:
        if self._spdy.writable(self._pair.error):
            self._spdy.send(self._pair.error, text.encode(), fin=True)

    def over(self, broken: bool) -> None:
        self._fin(self._pair.error)
        if broken:  # else the client will end its side when it sees that we did
            self._spdy.reset(self._pair.data)
        self._session.over(self._pair)
        self._session.flush()

    def blocked(self, on: bool) -> None:
        self._session.blocked(self._pair, on)

    def _fin(self, stream: int) -> None:
        if self._spdy.writable(stream):
            self._spdy.send(stream, b"", fin=True)
