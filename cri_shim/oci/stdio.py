"""The daemon's ends of a command's standard streams: pipes, or the master of a terminal.

They run in callbacks on the loop, without a task. The bytes go directly to their receiver; a
receiver that is full pauses its own source only. Both classes own their descriptor.
"""

import array
import asyncio
import errno
import fcntl
import os
import termios
from collections.abc import Callable
from contextlib import suppress

from cri_shim.aio.pipes import owned_pipe
from cri_shim.errors import ToolFailed

CHUNK = 1 << 18  # bytes of one read, and the capacity of a pipe
DRAIN_S = 0.2  # how long a terminal that others keep open is read after its command has ended
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ


def pipe(owner: int) -> tuple[int, int]:
    """Make a pipe that `owner` may open by name, for CHUNK bytes if the kernel permits it."""
    read, write = owned_pipe(owner)
    with suppress(OSError):
        fcntl.fcntl(write, _SET_PIPE_SIZE, CHUNK)
    return read, write


def no_input() -> int:
    """Return an empty file for standard input, in place of /dev/null. ToolFailed.

    crun before 1.24 gives the files of its standard streams to the container's user; then that user
    would own the node's device. A pipe without a writer does not work: a program that opens it
    again as /dev/stdin waits for a writer.
    """
    try:
        fd = os.memfd_create("stdin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError as e:
        raise ToolFailed(f"cannot make a file for a program's input: {e.strerror}") from e
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


class PipeReader:
    """Reads the output of a command: `deliver` gets each chunk, `closed` is called at the end."""

    def __init__(
        self, fd: int, deliver: Callable[[bytes], None], closed: Callable[[], None]
    ) -> None:
        self._fd = fd
        self._deliver = deliver
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._paused = False
        self._left: int | None = None  # bytes of an ended command that are not delivered yet
        self._timer: asyncio.TimerHandle | None = None
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._read)

    @property
    def open(self) -> bool:
        return self._fd >= 0

    def pause(self) -> None:
        if self.open and not self._paused:
            self._paused = True
            self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        if self.open and self._paused:
            self._paused = False
            self._loop.add_reader(self._fd, self._read)

    def finish(self) -> None:
        """Deliver what the ended command wrote; wait for no other writer.

        A pipe has all of it already. A terminal may still pass it on, and reports its end.
        """
        if not self.open:
            return
        if os.isatty(self._fd):
            self._wait()
            return
        self._left = _readable(self._fd)
        if not self._left:
            self.close()

    def _wait(self) -> None:
        self._timer = self._loop.call_later(DRAIN_S, self._give_up)

    def _give_up(self) -> None:
        if self._paused or _readable(self._fd):
            self._wait()
        else:
            self.close()

    def _read(self) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        except OSError as e:
            if e.errno != errno.EIO:  # a terminal reports with EIO that no process has it open
                raise
            data = b""
        if not data:
            self.close()
            return
        if self._left is not None:
            self._left -= len(data)
        self._deliver(data)
        if self._left is not None and self._left <= 0:
            self.close()

    def close(self) -> None:
        """Stop reading. Idempotent."""
        if not self.open:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1
        self._closed()


class PipeWriter:
    """Writes the input of a command. Bytes that do not fit are kept: see `waiting`.

    `drained` is called when all kept bytes have been written.
    """

    def __init__(self, fd: int, drained: Callable[[], None]) -> None:
        self._fd = fd
        self._drained = drained
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._ending = False
        os.set_blocking(fd, False)

    @property
    def waiting(self) -> int:
        """The number of bytes that are kept."""
        return len(self._buffer)

    def feed(self, data: bytes | memoryview) -> None:
        """Write, now or later. Bytes that the command does not read any more are dropped."""
        if self._fd < 0 or self._ending:
            return
        if self._buffer:
            self._buffer += data
            return
        written = self._write(data)
        if written < len(data) and self._fd >= 0:
            self._buffer += data[written:]
            self._loop.add_writer(self._fd, self._flush)

    def end(self) -> None:
        """Close when all bytes are written."""
        self._ending = True
        if not self._buffer:
            self.close()

    def _flush(self) -> None:
        with memoryview(self._buffer) as whole:
            written = self._write(whole)
        del self._buffer[:written]
        if self._fd < 0 or not self._buffer:
            self._buffer.clear()
            if self._fd >= 0:
                self._loop.remove_writer(self._fd)
            if self._ending:
                self.close()
            self._drained()

    def _write(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError:  # no process reads it any more
            self.close()
            return 0

    def close(self) -> None:
        """Close now. Idempotent."""
        if self._fd >= 0:
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1


def _readable(fd: int) -> int:
    """Return how many bytes can be read at once."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]
