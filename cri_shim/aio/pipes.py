"""Reads the output of programs: a pipe to its end, or until a condition on the data is met."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

from cri_shim.errors import ToolFailed

DRAIN_S = 0.2  # how long output is still read after the process ended, if its pipe stays open
_CHUNK = 1 << 16  # bytes: the capacity of a pipe


class Budget:
    """The number of bytes that may still be kept, by all collectors that share it."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def grant(self, data: bytes) -> bytes:
        kept = data[: self._left]
        self._left -= len(kept)
        return kept


def owned_pipe(owner: int) -> tuple[int, int]:
    """Return read and write end of a pipe that user `owner` may open by name; -1: ours. OSError."""
    read, write = os.pipe2(os.O_CLOEXEC)
    if owner >= 0:
        with suppress(OSError):
            os.fchown(write, owner, -1)
    return read, write


class Collector:
    """Reads a pipe to its end, keeps what the budget grants and drops the rest."""

    def __init__(self, budget: Budget, owner: int = -1) -> None:
        """User `owner` may open the write end by name; -1 leaves it to the daemon's user."""
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
        """Close the write end here: the child has its copy."""
        os.close(self.write_end)
        self.write_end = -1

    def ended(self) -> "asyncio.Future[None]":
        """Return a future that is done at the end of file, or when reading was abandoned."""
        return self._done

    def drain(self) -> None:
        """Read what an ended process has left in the pipe: at most the capacity of a pipe."""
        if not self._done.done():
            self._read()

    def kept(self) -> bytes:
        return bytes(self._kept)

    def abandon(self) -> None:
        """Stop reading; close both ends."""
        self._close()
        if self.write_end >= 0:
            self.started()


async def collect(*collectors: Collector) -> list[bytes]:
    """Return the output in each pipe until its end of file, or until DRAIN_S from now."""
    for collector in collectors:
        collector.drain()
    unended = [ended for collector in collectors if not (ended := collector.ended()).done()]
    if unended:
        await asyncio.wait(unended, timeout=DRAIN_S)
    for collector in collectors:
        collector.abandon()
    return [collector.kept() for collector in collectors]


async def read_until(fd: int, complete: Callable[[bytearray], bool], within: float) -> bytes:
    """Return the output in a pipe until `complete` is true for it, or until its end. TimeoutError.

    `complete` bounds the size: one read returns at most 64 KiB.
    """
    loop = asyncio.get_running_loop()
    enough: asyncio.Future[bytes] = loop.create_future()
    received = bytearray()

    def on_readable() -> None:
        with suppress(BlockingIOError):
            data = os.read(fd, _CHUNK)
            received.extend(data)
            if (not data or complete(received)) and not enough.done():
                enough.set_result(bytes(received))

    os.set_blocking(fd, False)
    loop.add_reader(fd, on_readable)
    try:
        async with asyncio.timeout(within):
            return await enough
    finally:
        loop.remove_reader(fd)
