"""A command in a running container, run to its end, as a direct child of the daemon.

The OCI runtime's `exec` gives the daemon's two pipes to the command itself: nothing is relayed or
parsed. The end of the process is the event. Output of children that the command leaves behind is
awaited for at most DRAIN_S. The process document and the runtime's own log are anonymous files,
which end with the daemon.
"""

import asyncio
import itertools
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.aio import child as aio_child
from cri_shim.aio.child import Child
from cri_shim.aio.memfile import memfile, text_of
from cri_shim.aio.offload import finish
from cri_shim.aio.pipes import DRAIN_S, Budget, Collector, collect
from cri_shim.errors import TimedOut
from cri_shim.linux import process as linux_process
from cri_shim.oci import messages, process_tree, stdio, unblock_runc
from cri_shim.oci.oom_score import scored
from cri_shim.untrusted import read_file

CLIENT_S = 2.0  # for the runtime's client to reap a killed command and to end
_LOOK_S = 0.02  # between two searches for a process that such a client may just have started
_PID_FILE_LIMIT = 64  # bytes
_SLACK_S = 0.5  # the difference between the clock of start times and the clock of file times

_serial = itertools.count()


@dataclass(frozen=True, slots=True)
class ExecResult:
    """The output of a command, as far as it was kept, and 0..255, or 128 + signal."""

    stdout: bytes
    stderr: bytes
    exit_code: int


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

    `runtime` is the OCI runtime with its global options. `owner` is the host id of the command's
    user, -1 for root. `timeout` is in seconds; None means no time-out. `limit` is in bytes, for
    both streams together; output beyond it is read and dropped. After the time-out or a
    cancellation, the command and all processes that it started are killed and reaped before
    TimedOut (or the cancellation) is raised. CommandNotFound, ToolFailed: the command did not run.
    """
    name = process["args"][0]
    with ExitStack() as cleanup:
        budget = Budget(limit)
        out = Collector(budget, owner)
        cleanup.callback(out.abandon)
        err = Collector(budget, owner)
        cleanup.callback(err.abandon)
        document = json.dumps(process, ensure_ascii=False).encode(errors="surrogateescape")
        spec, log = cleanup.enter_context(memfile(document)), cleanup.enter_context(memfile())
        pid_file = directory / f"{os.getpid()}-{next(_serial)}.pid"
        cleanup.callback(pid_file.unlink, missing_ok=True)
        command = [*arguments(runtime, spec, log, pid_file), id]
        nothing = stdio.no_input()
        cleanup.callback(os.close, nothing)
        client = aio_child.spawn(
            scored(command, process),
            stdin=nothing,
            stdout=out.write_end,
            stderr=err.write_end,
            env=env,
            pass_fds=(spec, log),
            session=True,
        )
        out.started()
        err.started()
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
        if code < 0:  # the client was killed: it does not wait for the command any more
            await finish(_end(client, pid_file))
        if code and (message := messages.plain(text_of(log))):
            raise messages.failure(f"cannot execute {name!r} in container {id}", message)
        stdout, stderr = await collect(out, err)
        return ExecResult(stdout, stderr, aio_child.exit_code(code))


def arguments(
    runtime: Sequence[str], spec: int, log: int, pid_file: Path, *options: str
) -> list[str]:
    """Return the command line of `exec` without the id; the runtime has `spec` and `log` open."""
    return [
        *(runtime[0], f"--log=/proc/self/fd/{log}", "--log-format=json", *runtime[1:]),
        *("exec", *options, f"--process=/proc/self/fd/{spec}", f"--pid-file={pid_file}"),
    ]


async def _outcome(client: Child, pid_file: Path, pipes: Sequence[Collector]) -> int:
    """Return the exit code of the client, or minus its signal; the pipes may be closed then."""
    while True:
        try:
            async with asyncio.timeout(DRAIN_S):
                return await client.wait()
        except TimeoutError:
            if not _has_ended(pid_file):
                continue
        # Only background children write now, and runc waits for all of them (see unblock_runc).
        await asyncio.wait([pipe.ended() for pipe in pipes], timeout=DRAIN_S)
        for pipe in pipes:
            pipe.abandon()
        unblock_runc.unblock(client.pid)


def _has_ended(pid_file: Path) -> bool:
    """Whether the command was started and has ended."""
    pid = _named(pid_file)
    return pid is not None and linux_process.state(pid) in ("Z", "X", None)


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
    # Orphans of a client that was killed: in a session that is known, or named in the pid file.
    await process_tree.end(0, sessions | session(pid_file))


def _named(pid_file: Path) -> int | None:
    """Return the pid in a pid file; None if the file has none yet."""
    with suppress(OSError, ValueError):
        return int(read_file(pid_file, _PID_FILE_LIMIT))
    return None


def session(pid_file: Path) -> set[int]:
    """Return the session of the process in a pid file, if it is still the same process."""
    pid = _named(pid_file)
    start = None if pid is None else linux_process.start_time(pid)
    if pid is None or start is None:
        return set()
    with suppress(OSError):
        age = linux_process.age(start)
        # A process that started after the file was written has only the pid in common.
        if time.time() - age <= pid_file.stat().st_mtime + _SLACK_S:
            return {os.getsid(pid)}
    return set()
