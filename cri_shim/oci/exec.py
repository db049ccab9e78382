"""A command in a running container, to its end, as a direct child of the daemon.

The OCI runtime's `exec` hands our two pipes to the command itself: nothing is relayed or parsed.
The end of the process is the event; output of children it leaves behind is not waited for beyond
DRAIN_S. The process document and the runtime's own log are anonymous files, gone with us.
"""

import asyncio
import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.aio import child as children
from cri_shim.aio.child import Child
from cri_shim.aio.offload import finish
from cri_shim.errors import TimedOut, ToolFailed
from cri_shim.linux import process as processes
from cri_shim.oci import messages, process_tree, stdio, unblock_runc
from cri_shim.oci.oom_score import scored
from cri_shim.untrusted import read_file

DRAIN_S = 0.2  # how long output of background children is still taken after the command ended
CLIENT_S = 2.0  # for the runtime's client to reap a killed command and end
_LOOK_S = 0.02  # between two looks for what such a client may just have started
_CHUNK = 1 << 16  # bytes: what a pipe holds
_PID_FILE_LIMIT = 64  # bytes
_TICKS = os.sysconf("SC_CLK_TCK")
_SLACK_S = 0.5  # between the clocks that a start time and a file's time are read from

_serial = itertools.count()


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command wrote, as far as it was kept, and 0..255, or 128 + signal."""

    stdout: bytes
    stderr: bytes
    exit_code: int


class _Budget:
    """How many bytes of output may still be kept, of both streams together."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def grant(self, data: bytes) -> bytes:
        kept = data[: self._left]
        self._left -= len(kept)
        return kept


class _Pipe:
    """Reads one stream for as long as somebody writes, keeping what the budget grants."""

    def __init__(self, budget: _Budget, owner: int) -> None:
        self._budget = budget
        self._kept = bytearray()
        self._loop = asyncio.get_running_loop()
        self.ended = self._loop.create_future()
        try:
            self._read_end, self.write_end = stdio.owned_pipe(owner)
        except OSError as e:
            raise ToolFailed(f"cannot make a pipe for a command's output: {e.strerror}") from e
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
        if not self.ended.done():
            self._loop.remove_reader(self._read_end)
            os.close(self._read_end)
            self.ended.set_result(None)

    def handed_over(self) -> None:
        """The command has its copy of the write end."""
        os.close(self.write_end)
        self.write_end = -1

    def close(self) -> None:
        self._close()
        if self.write_end >= 0:
            self.handed_over()

    def drain(self) -> None:
        """Read what a process that has ended has left in the pipe: at most what that holds."""
        if not self.ended.done():
            self._read()

    def kept(self) -> bytes:
        return bytes(self._kept)


async def exec_sync(
    runtime: Sequence[str],
    id: str,
    process: Mapping[str, Any],
    *,
    directory: Path,
    env: Mapping[str, str],
    owner: int,
    timeout: float | None,
    limit: int,
) -> ExecResult:
    """Run the OCI `process` in container `id` and return its output and exit code.

    `runtime` is the OCI runtime with its global options; `owner` what the node knows the command's
    user as, -1 for root; `timeout` in seconds, None is none; `limit` in bytes, both streams
    together, what is beyond is read and dropped. After the timeout, or on cancellation, the command
    and what it started is killed and reaped before TimedOut (or the cancellation) is raised.
    CommandNotFound, ToolFailed: the command was not run.
    """
    name = process["args"][0]
    with ExitStack() as cleanup:
        budget = _Budget(limit)
        out = _Pipe(budget, owner)
        cleanup.callback(out.close)
        err = _Pipe(budget, owner)
        cleanup.callback(err.close)
        document = json.dumps(process, ensure_ascii=False).encode(errors="surrogateescape")
        spec, log = cleanup.enter_context(memory(document)), cleanup.enter_context(memory(b""))
        pid_file = directory / f"{os.getpid()}-{next(_serial)}.pid"
        cleanup.callback(pid_file.unlink, missing_ok=True)
        command = [
            *(runtime[0], f"--log=/proc/self/fd/{log}", "--log-format=json", *runtime[1:]),
            *("exec", f"--process=/proc/self/fd/{spec}", f"--pid-file={pid_file}", id),
        ]
        nothing = stdio.no_input()
        cleanup.callback(os.close, nothing)
        client = children.spawn(
            scored(command, process),
            stdin=nothing,
            stdout=out.write_end,
            stderr=err.write_end,
            env=env,
            pass_fds=(spec, log),
            session=True,
        )
        out.handed_over()
        err.handed_over()
        try:
            async with asyncio.timeout(timeout):
                code = await _outcome(client, pid_file, (out, err))
        except TimeoutError as e:
            await finish(_end(client, pid_file))
            raise TimedOut(
                f"command {name!r} in container {id} timed out after {timeout:g} s and was killed"
            ) from e
        except asyncio.CancelledError:
            await finish(_end(client, pid_file))
            raise
        if code < 0:  # somebody killed the client: nobody waits for the command any more
            await finish(_end(client, pid_file))
        if code and (said := messages.plain(written(log))):
            raise messages.failure(f"cannot execute {name!r} in container {id}", said)
        out.drain()
        err.drain()
        if not (out.ended.done() and err.ended.done()):
            await asyncio.wait([out.ended, err.ended], timeout=DRAIN_S)
        return ExecResult(out.kept(), err.kept(), code if code >= 0 else 128 - code)


@contextmanager
def memory(data: bytes) -> Iterator[int]:
    """An anonymous file with this content."""
    try:
        fd = os.memfd_create("exec", os.MFD_CLOEXEC)
    except OSError as e:
        raise ToolFailed(f"cannot prepare a command: {e.strerror}") from e
    try:
        os.write(fd, data)
        yield fd
    finally:
        os.close(fd)


def written(fd: int) -> str:
    """What a program wrote to an anonymous file."""
    return os.pread(fd, _CHUNK, 0).decode(errors="replace")


async def _outcome(client: Child, pid_file: Path, pipes: Sequence[_Pipe]) -> int:
    """The exit code, or minus the signal, of the client; the pipes may be closed by then."""
    while True:
        try:
            async with asyncio.timeout(DRAIN_S):
                return await client.wait()
        except TimeoutError:
            if not _has_ended(pid_file):
                continue
        # Only output of background children is left, and runc waits for all of it (see relay).
        await asyncio.wait([pipe.ended for pipe in pipes], timeout=DRAIN_S)
        for pipe in pipes:
            pipe.close()
        unblock_runc.let_go(client.pid)


def _has_ended(pid_file: Path) -> bool:
    """Whether the command was started and does not run any more."""
    pid = _named(pid_file)
    return pid is not None and processes.state(pid) in ("Z", "X", None)


async def _end(client: Child, pid_file: Path) -> None:
    """Kill the command with its tree; its client then reaps it and ends by itself."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CLIENT_S
    sessions = {client.pid} | session(pid_file)
    while True:
        await process_tree.end(client.pid, sessions)
        try:
            async with asyncio.timeout(_LOOK_S):
                await client.wait()
            break
        except TimeoutError:  # it may have been about to start the command: look again
            if loop.time() > deadline:
                await client.end()
                break
    # Orphans of a client that was killed: in a session we know, or named in the file.
    await process_tree.end(0, sessions | session(pid_file))


def _named(pid_file: Path) -> int | None:
    """The pid in a pid file; None if nothing is written there yet."""
    with suppress(OSError, ValueError):
        return int(read_file(pid_file, _PID_FILE_LIMIT))
    return None


def session(pid_file: Path) -> set[int]:
    """The session of the process a pid file names, if that process is still the same."""
    pid = _named(pid_file)
    start = None if pid is None else processes.start_time(pid)
    if pid is None or start is None:
        return set()
    with suppress(OSError):
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - start / _TICKS
        # One that started after it was named has only the number in common.
        if time.time() - age <= pid_file.stat().st_mtime + _SLACK_S:
            return {os.getsid(pid)}
    return set()
