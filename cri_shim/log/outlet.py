"""Where log lines go: written at once if that does not block, else kept for a moment.

The event loop must not wait for a reader of the log: a full pipe, or a journal that has stopped.
Lines that cannot be written are kept, up to a limit, and written before the next line. Above the
limit they are dropped, and their number is the next line.
"""

import errno
import os
import select
import socket
import stat
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

MOST_KEPT = 1 << 20  # bytes
_CHUNK = 4096  # bytes that a pipe takes at once if it is ready: PIPE_BUF


class Sink(Protocol):
    """Takes bytes without blocking."""

    def take(self, data: bytes) -> int:
        """Return how many of the first bytes were taken; 0 if it would block. OSError."""


class Outlet:
    """`dropped` makes the line that tells how many lines were dropped."""

    def __init__(self, sink: Sink, dropped: Callable[[int], bytes]) -> None:
        self._sink = sink
        self._told = dropped
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._missing = 0  # lines dropped since the last one that was written
        self.dropped = 0  # lines, since the start

    def write(self, line: bytes) -> None:
        """Write a line, after those that are kept; it does not block, and raises nothing."""
        self.flush()
        if self._size + len(line) > MOST_KEPT:
            self._missing += 1
            self.dropped += 1
            return
        if self._missing:
            self._keep(self._told(self._missing))
            self._missing = 0
        self._keep(line)
        self.flush()

    def flush(self) -> None:
        """Write the lines that are kept, as far as that does not block."""
        with suppress(OSError):  # nothing reads: they are kept
            self._flush()

    def _keep(self, line: bytes) -> None:
        self._kept.append(line)
        self._size += len(line)

    def _flush(self) -> None:
        while self._kept:
            line = self._kept[0]
            taken = self._sink.take(line)
            self._size -= taken
            if taken < len(line):
                self._kept[0] = line[taken:]
                return
            self._kept.popleft()


class Stream:
    """A descriptor that is a pipe, a terminal, a socket or a file, and may be shared with others.

    Its flags must not change, because others have it, too. So it is polled before each write.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._is_file = False
        with suppress(OSError):  # it is closed: nothing will be written
            self._is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def take(self, data: bytes) -> int:
        if self._is_file:
            return os.write(self._fd, data)
        done = 0
        while done < len(data) and self._poll.poll(0):
            done += os.write(self._fd, data[done : done + _CHUNK])
        return done


class Datagrams:
    """A unix socket that takes each line as one datagram; it is connected when it is needed."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def take(self, data: bytes) -> int:
        try:
            self._socket.sendto(data, self._path)
        except BlockingIOError:
            return 0
        except OSError as e:
            if e.errno != errno.EMSGSIZE:
                raise  # nothing listens at the moment
        return len(data)  # one that is too large is lost

    def close(self) -> None:
        self._socket.close()
