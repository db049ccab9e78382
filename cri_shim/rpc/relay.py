"""Passes the bytes of one connection on to another, in both directions, on the event loop.

It reads only what it could write: a slow reader slows the writer down, as one connection would.
"""

import asyncio
import socket
from collections.abc import Callable

CHUNK = 256 << 10  # bytes of a read: more than a unix socket has in its buffer by default


class Relay:
    """Two connected, non-blocking sockets; both are closed when both directions have ended."""

    def __init__(self, one: socket.socket, other: socket.socket, ended: Callable[[], None]) -> None:
        self._sockets = (one, other)
        self._ended = ended
        self._open = True
        self._directions = (_Direction(one, other, self), _Direction(other, one, self))

    def start(self) -> None:
        for direction in self._directions:
            direction.start()

    def ended(self) -> None:
        """Called by a direction at its end."""
        if all(direction.ended for direction in self._directions):
            self.close()

    def close(self) -> None:
        """Close both sockets. Idempotent."""
        if not self._open:
            return
        self._open = False
        for direction in self._directions:
            direction.stop()
        for each in self._sockets:
            each.close()
        self._ended()


class _Direction:
    def __init__(self, source: socket.socket, sink: socket.socket, owner: Relay) -> None:
        self._source, self._sink, self._owner = source, sink, owner
        self._loop = asyncio.get_running_loop()
        self._rest = memoryview(b"")  # what the sink has not taken yet
        self.ended = False

    def start(self) -> None:
        self._loop.add_reader(self._source, self._read)

    def stop(self) -> None:
        self._loop.remove_reader(self._source)
        self._loop.remove_writer(self._sink)

    def _read(self) -> None:
        try:
            data = self._source.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._owner.close()
            return
        if data:
            self._rest = memoryview(data)
            self._write()
        else:
            self._end()

    def _write(self) -> None:
        try:
            self._rest = self._rest[self._sink.send(self._rest) :]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._owner.close()
            return
        if self._rest:
            self._loop.remove_reader(self._source)
            self._loop.add_writer(self._sink, self._resume)

    def _resume(self) -> None:
        self._loop.remove_writer(self._sink)
        self._loop.add_reader(self._source, self._read)
        self._write()

    def _end(self) -> None:
        self._loop.remove_reader(self._source)
        self.ended = True
        try:
            self._sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._owner.close()
            return
        self._owner.ended()
