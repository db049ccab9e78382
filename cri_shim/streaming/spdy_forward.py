"""Port-forward over plain SPDY or a WebSocket tunnel: many connections in one session.

A pair of streams is one connection. The error stream carries a text only if the connection could
not be made, because clients end the whole session after any text there. So a connection above a
limit is reset: this ends only that connection.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from cri_shim.streaming.flood import REASON, FloodLimit
from cri_shim.streaming.forward import Forward
from cri_shim.streaming.link import Link
from cri_shim.streaming.memory import SESSION_INPUT
from cri_shim.streaming.resources import Resources
from cri_shim.wire.forward import MAX_HALF_PAIRS, Pair, Pairing, RefusedStream
from cri_shim.wire.spdy import (
    Connection,
    DataReceived,
    Goaway,
    ProtocolError,
    Reset,
    Role,
    StreamOpened,
    StreamReset,
)

MAX_CONNECTIONS = 256  # connections of one session; kubectl makes one for each local client
_MAX_STREAMS = 2 * MAX_CONNECTIONS + MAX_HALF_PAIRS

ConnectTo = Callable[[int], Awaitable[socket.socket]]


class SpdyForward:
    """A Session. `connect` makes a connection to a port of the pod."""

    def __init__(self, link: Link, connect: ConnectTo, resources: Resources) -> None:
        self._link = link
        self._connect = connect
        self._resources = resources
        self._spdy = Connection(Role.SERVER, max_streams=_MAX_STREAMS)
        self._pairing = Pairing()
        self._forwards: dict[int, Forward] = {}  # by the data stream
        self._connections = 0  # connections that are being made, or have not ended yet
        self._reported = False
        self.reason = ""  # why the client was ended
        self._paused = False
        self._waiting = resources.input.share(SESSION_INPUT, link.throttle)
        self._loop = asyncio.get_running_loop()
        self._flood = FloodLimit(self._loop.time)
        self._timer: asyncio.TimerHandle | None = None

    # -- from the client: Session -------------------------------------------------------------

    def received(self, data: bytes | bytearray) -> None:
        self._spdy.feed(data)

    def work(self, frames: int) -> int:
        before, idle_before = self._spdy.frames, self._spdy.idle_frames
        for event in self._spdy.take(frames):
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
                    return 0
        self.flush()
        idle = self._spdy.idle_frames - idle_before
        if idle and not self._flood.idle(idle):
            self._refuse(REASON)
            return 0
        return self._spdy.frames - before

    def _refuse(self, reason: str) -> None:
        """The client floods the server: end the session and all its connections."""
        self._resources.refused(reason)
        self.reason = reason
        for forward in list(self._forwards.values()):
            forward.refuse(reason)
        self._spdy.goaway(Goaway.PROTOCOL_ERROR)
        self.flush()
        self._link.close()

    def _data(self, event: DataReceived) -> None:
        forward = self._forwards.get(event.stream)
        if forward is None:
            return  # an error stream, which the client ends at once, or an ended connection
        if event.data:
            self.moved()
            forward.feed(event.data)
        if event.fin:
            forward.feed_end()

    def _opened(self, event: StreamOpened) -> None:
        found = self._pairing.add(event.stream, event.headers, self._loop.time())
        if isinstance(found, RefusedStream):
            self._spdy.reset(event.stream, Reset.PROTOCOL_ERROR)
            return
        self._spdy.accept(event.stream)
        if found is not None:
            self._begin(found)
        if self._timer is None and self._pairing.deadline is not None:
            self._timer = self._loop.call_at(self._pairing.deadline, self._overdue)

    def _begin(self, pair: Pair) -> None:
        problem = f"it has {self._connections}, and no more are taken"
        if self._connections < MAX_CONNECTIONS:
            problem = self._resources.connections.connect()
        if problem:
            self._spdy.reset(pair.error, Reset.REFUSED_STREAM)
            self._spdy.reset(pair.data, Reset.REFUSED_STREAM)
            self._report_once(f"its new connections are refused: {problem}")
            return
        self._connections += 1
        forward = Forward(_Pair(self, self._spdy, pair), self._disconnected)
        self._forwards[pair.data] = forward
        if self._paused:
            forward.pause()
        connect = forward.run(lambda: self._connect(pair.port))
        self._resources.spawn(f"forward to port {pair.port}", connect)

    def _disconnected(self) -> None:
        self._connections -= 1
        self._resources.connections.disconnect()

    def _report_once(self, what: str) -> None:
        if not self._reported:
            self._reported = True
            self._resources.refused(what)

    def _overdue(self) -> None:
        for stream in self._pairing.overdue(self._loop.time()):
            self._spdy.reset(stream)
        self.flush()
        deadline = self._pairing.deadline
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._overdue)

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

    def ended(self, pair: Pair) -> None:
        self._forwards.pop(pair.data, None)

    def waits(self, by: int) -> None:
        """A connection that does not read pauses all of them: the protocol has no other way."""
        self._waiting.hold(self._waiting.held + by)

    def moved(self) -> None:
        """Count a frame with data, in either direction."""
        self._flood.moved()


class _Pair:
    """The client's two streams of one connection."""

    def __init__(self, session: SpdyForward, spdy: Connection, pair: Pair) -> None:
        self._session = session
        self._spdy = spdy
        self._pair = pair

    def data(self, data: bytes) -> None:
        self._session.moved()
        if self._spdy.writable(self._pair.data):
            self._spdy.send(self._pair.data, data)
            self._session.flush()

    def data_end(self) -> None:
        self._fin(self._pair.data)
        self._session.flush()

    def failed(self, text: str) -> None:
        if self._spdy.writable(self._pair.error):
            self._spdy.send(self._pair.error, text.encode(), fin=True)

    def ended(self, broken: bool) -> None:
        self._fin(self._pair.error)
        if broken:  # otherwise the client ends its side after this one
            self._spdy.reset(self._pair.data)
        self._session.ended(self._pair)
        self._session.flush()

    def waits(self, by: int) -> None:
        self._session.waits(by)

    def _fin(self, stream: int) -> None:
        if self._spdy.writable(stream):
            self._spdy.send(stream, b"", fin=True)
