"""The process that talks to registries, as the daemon holds it: lines to it, lines from it.

It runs `cri_shim.registry.worker` in a session of its own, so that its credential helpers end with
it. A line is bounded; nothing here knows what the lines say.
"""

import asyncio
import json
import os
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from cri_shim.aio.child import Child, Finished, spawn
from cri_shim.aio.pipes import Budget, Collector, collect
from cri_shim.errors import ToolFailed
from cri_shim.store import python_child

WORKER = "cri_shim.registry.worker"
LINE_LIMIT = 24 << 20  # bytes: three documents of 4 MiB in base64, and room
_MESSAGE_LIMIT = 1 << 16  # bytes of a traceback
_CHUNK = 1 << 18


class Worker:
    """A started worker process, which waits for its request."""

    def __init__(self) -> None:
        """Start it. ToolFailed."""
        self._loop = asyncio.get_running_loop()
        self.lines: deque[bytes] = deque()
        self.on_line: Callable[[bytes], None] = self.lines.append
        self.on_end: Callable[[str], None] = lambda _why: None
        self._unsent = bytearray()
        self._buffer = bytearray()
        self._stderr = Collector(Budget(_MESSAGE_LIMIT))
        self._in = self._out = -1
        try:
            stdin, self._in = os.pipe2(os.O_CLOEXEC)
            self._out, stdout = os.pipe2(os.O_CLOEXEC)
        except OSError as e:
            self.close()
            raise ToolFailed(f"cannot make a pipe for a pull: {e.strerror}") from e
        try:
            self.process: Child = spawn(
                python_child.command(WORKER), stdin=stdin, stdout=stdout,
                stderr=self._stderr.write_end, session=True, cwd="/",
            )  # fmt: skip
        except BaseException:
            self.close()
            raise
        finally:
            os.close(stdin)
            os.close(stdout)
        self._stderr.started()
        for fd in (self._in, self._out):
            os.set_blocking(fd, False)
        self._loop.add_reader(self._out, self._read)

    @property
    def running(self) -> bool:
        return self.process.running

    def send(self, message: Mapping[str, Any]) -> None:
        """Write a line to its standard input, without waiting."""
        self._unsent += json.dumps(message).encode() + b"\n"
        self._write()

    def _write(self) -> None:
        if self._in < 0:
            return
        try:
            del self._unsent[: os.write(self._in, self._unsent[:_CHUNK])]
        except BlockingIOError:
            pass
        except OSError:  # it has ended: its output says so, too
            self._unsent.clear()
        self._loop.remove_writer(self._in)
        if self._unsent:
            self._loop.add_writer(self._in, self._write)

    def _read(self) -> None:
        try:
            data = os.read(self._out, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._stop("it ended")
            return
        seen = len(self._buffer)
        self._buffer += data
        while (at := self._buffer.find(b"\n", seen)) >= 0:
            line = bytes(self._buffer[:at])
            del self._buffer[: at + 1]
            seen = 0
            self.on_line(line)
        if len(self._buffer) > LINE_LIMIT:
            self._stop(f"it wrote a line of more than {LINE_LIMIT >> 20} MiB")

    def _stop(self, why: str) -> None:
        self._loop.remove_reader(self._out)
        self.on_end(why)

    async def complaint(self) -> str:
        """End it; return what it said last on its standard error, or how it ended."""
        await self.process.end()
        code = await self.process.wait()
        (said,) = await collect(self._stderr)
        return Finished((), code, b"", said).complaint().splitlines()[-1]

    async def end(self) -> None:
        """Kill it with all its processes."""
        try:
            await self.process.end()
        finally:
            self.close()

    def close(self) -> None:
        """Close its pipes; then it ends by itself."""
        if self._in >= 0:
            self._loop.remove_writer(self._in)
            os.close(self._in)
        if self._out >= 0:
            self._loop.remove_reader(self._out)
            os.close(self._out)
        self._in = self._out = -1
        self._stderr.abandon()
