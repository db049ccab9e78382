"""Reading what programs write: a pipe to its end, or until enough was said."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

from cri_shim.errors import ToolFailed

DRAIN_S = 0.2  # how long output is still read after the process ended and left its pipe open
_CHUNK = 1 << 16  # bytes: what a pipe holds


class Budget:
    """How many bytes may still be kept, by all collectors that share it."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def grant(self, data: bytes) -> bytes:
        kept = data[: self._left]
        self._left -= len(kept)
        return kept


def owned_pipe(owner: int) -> tuple[int, int]:
    """Read and write end of a pipe that `owner` may open by name; -1 leaves it ours. OSError."""
    read, write = os.pipe2(os.O_CLOEXEC)
    if owner >= 0:
        with suppress(OSError):
            os.fchown(write, owner, -1)
    return read, write


class Collector:
    """Reads a pipe to its end, keeps what the budget grants and drops the rest."""

    def __init__(self, budget: Budget, owner: int = -1) -> None:
        """`owner` may open the write end by name; -1 leaves it ours."""
        self._budget = budget
        self._kept = bytearray()
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        try:
            self._read_end, self.write_end = owned_pipe(owner)
        except OSError as e:
            raise ToolFailed(f"cannot make a pipe for a program's output: {e.strerror}") from e
        os.set_blocking(self._read_end, False)
        self._loop.add_reader(self._read_end, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._read_end, _CHUNK)
        except BlockingIOError:
            return
        if data:
            self._kept += self._budget.grant(data)
        else:
            self._close()

    def _close(self) -> None:
        if not self._done.done():
            self._loop.remove_reader(self._read_end)
            os.close(self._read_end)
            self._done.set_result(None)

    def started(self) -> None:
        """The child has its copy of the write end: close ours."""
        os.close(self.write_end)
        self.write_end = -1

    def ended(self) -> "asyncio.Future[None]":
        """Done at the end of file, or when reading was given up."""
        return self._done

    def drain(self) -> None:
        """Read what a process that has ended has left in the pipe: at most what that holds."""
        if not self._done.done():
            self._read()

    def kept(self) -> bytes:
        return bytes(self._kept)

    def abandon(self) -> None:
        """Stop reading; both ends are closed."""
        self._close()
        if self.write_end >= 0:
            self.started()


async def collect(*collectors: Collector) -> list[bytes]:
    """What was written to each until its end of file, or until DRAIN_S from now."""
    for collector in collectors:
        collector.drain()
    unended = [ended for collector in collectors if not (ended := collector.ended()).done()]
    if unended:
        await asyncio.wait(unended, timeout=DRAIN_S)
    for collector in collectors:
        collector.abandon()
    return [collector.kept() for collector in collectors]


async def read_until(fd: int, over: Callable[[bytearray], bool], within: float) -> bytes:
    """What is written to a pipe until `over` says so of it, or its end. TimeoutError.

    `over` bounds it: one read brings 64 KiB at most.
    """
    loop = asyncio.get_running_loop()
    enough: asyncio.Future[bytes] = loop.create_future()
    received = bytearray()

    def on_readable() -> None:
        with suppress(BlockingIOError):
            data = os.read(fd, _CHUNK)
            received.extend(data)
            if (not data or over(received)) and not enough.done():
                enough.set_result(bytes(received))

    os.set_blocking(fd, False)
    loop.add_reader(fd, on_readable)
    try:
        async with asyncio.timeout(within):
            return await enough
    finally:
        loop.remove_reader(fd)
