"""Child processes by pidfd on the event loop.

Popen (vfork, no preexec) and one pidfd reader take about 1 ms and 0.2 ms of CPU for a process;
asyncio's own transports need a thread and twice the time. Every child of the daemon is started
here, so that the reaper knows which zombies it must leave alone. At debug level, the end of each
program is a line of the log, without values of secrets.

The end of the *process* is the event; pipes that a grandchild keeps open are drained only for a
short time (pipes.DRAIN_S).
"""

import asyncio
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import TypedDict, Unpack

from cri_shim.activity import Step, program
from cri_shim.activity.step import current, current_operation
from cri_shim.aio import descriptors, memfile
from cri_shim.aio.offload import finish
from cri_shim.aio.pipes import Budget, Collector, collect
from cri_shim.errors import TimedOut, ToolFailed

OUTPUT_LIMIT = 4 << 20  # bytes kept of each output stream of a tool; the rest is read and dropped
LOST_CODE = 255  # the exit code of a process whose status was taken elsewhere, or is unknown
KILLED_CODE = 128 + signal.SIGKILL

_log = logging.getLogger(__name__)

ours: set[int] = set()  # pids that this module will reap itself


def exit_code(returncode: int) -> int:
    """Return 0..255, or 128 + signal, for a return code that is negative for a signal."""
    return returncode if returncode >= 0 else 128 - returncode


@dataclass(frozen=True, slots=True)
class Finished:
    """How a child ended: `returncode` is negative for a signal, as in subprocess."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    def complaint(self) -> str:
        """Return the program's error message as one string that fits into an error."""
        text = (self.stderr.strip() or self.stdout.strip()).decode(errors="replace")
        return text[-2000:] or f"exit status {self.returncode}, no message"


class Child:
    """A running child process. `wait` may be called by several tasks, and again after the end."""

    def __init__(
        self, pid: int, reap: Callable[[], int], *, session: bool = False, argv: Sequence[str] = ()
    ) -> None:
        """`reap` returns the exit code; with `session` the child leads one. Raises OSError."""
        self.pid = pid
        self._argv = argv
        self._began = time.monotonic()
        self._wait_status = reap
        self.leads_session = session
        self._pidfd = os.pidfd_open(self.pid)  # a child, not reaped yet: the pid is still its own
        ours.add(self.pid)
        if (step := current()) is not None and step.program:
            step.pid = pid
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        code = self._wait_status()
        ours.discard(self.pid)
        if self._argv and _log.isEnabledFor(logging.DEBUG):
            self._tell_end(code)
        self._ended.set_result(code)

    def _tell_end(self, code: int) -> None:
        # The context of the reader, and so the current step, is that of the start.
        operation = current_operation()
        of = "" if operation is None else f"{operation.subject.short}: "
        how = f"exit {code}" if code >= 0 else f"signal {-code}"
        spent = (time.monotonic() - self._began) * 1000
        _log.debug("%sran %s: %s, %.0f ms", of, program.shown(self._argv), how, spent)

    async def wait(self) -> int:
        """Return the exit code, or minus the signal."""
        return await asyncio.shield(self._ended)

    @property
    def running(self) -> bool:
        return self._pidfd >= 0

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; no error if the child has ended."""
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, number)

    def kill_all(self) -> None:
        """Kill it and, if it leads a session, the other processes of that session; do not wait."""
        if self.leads_session and self._pidfd >= 0:  # not reaped yet: the id is still its own
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self.kill()

    async def end(self) -> None:
        """Kill as `kill_all`, and return when it is reaped, even if this task is cancelled."""
        self.kill_all()
        await finish(self.wait())


def adopt(pid: int) -> Child:
    """Watch a process that became a child of the daemon, a child subreaper, when its parent ended.

    A caller that expects one holds the reaper (`reaper.held`) until it is adopted. Otherwise the
    reaper would take the exit status of a process that ends at once. ToolFailed if the process does
    not exist any more, or no descriptor is free.
    """
    try:
        return Child(pid, partial(_reap_adopted, pid))
    except OSError as e:
        raise ToolFailed(f"cannot watch process {pid}: {e.strerror}") from e


def _reap_adopted(pid: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return LOST_CODE


class Settings(TypedDict, total=False):
    """How a program is started, besides its streams: as for subprocess.Popen."""

    env: Mapping[str, str] | None  # None: that of this process
    cwd: str | None
    pass_fds: Sequence[int]
    executable: str | None  # the program, if argv[0] is only the name that the program gets


def spawn(
    argv: Sequence[str],
    *,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = subprocess.DEVNULL,
    stderr: int | None = subprocess.DEVNULL,
    session: bool = False,
    **settings: Unpack[Settings],
) -> Child:
    """Start a program, with `session` as a leader of one; ToolFailed if it cannot be executed."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=session,
            **settings,
        )
    except OSError as e:
        program = settings.get("executable") or argv[0]
        raise ToolFailed(f"cannot run {program}: {e.strerror or e}") from e
    descriptors.restore(process.pid)
    try:
        return Child(process.pid, process.wait, session=session, argv=argv)
    except OSError as e:  # no free descriptor to watch it: it would never be reaped
        process.kill()
        process.wait()
        raise ToolFailed(f"cannot watch {argv[0]}: {e.strerror or e}") from e


async def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    feed: int = subprocess.DEVNULL,
    timeout: float | None = None,
    limit: int = OUTPUT_LIMIT,
    session: bool = False,
    **settings: Unpack[Settings],
) -> Finished:
    """Run a program to its end and return how it ended.

    Its standard input is `stdin`, or without that the descriptor `feed`, which the caller closes.
    `timeout` is in seconds. After it, or on cancellation, the program is killed and reaped before
    TimedOut (or the cancellation) is raised; with `session`, its whole session is killed, so that
    its output has ended then. A non-zero exit code is not an error here.

    It is a step of the operation, unless the caller has made one that waits for the program.
    """
    outer = current()
    if outer is None or outer.program:
        return await _run(argv, stdin, feed, timeout, limit, session, settings)
    name = PurePath(settings.get("executable") or argv[0]).name
    with Step(name, f"program {name}", limit=timeout, program=True):
        return await _run(argv, stdin, feed, timeout, limit, session, settings)


async def _run(
    argv: Sequence[str],
    stdin: bytes,
    feed: int,
    timeout: float | None,
    limit: int,
    session: bool,
    settings: Settings,
) -> Finished:
    with ExitStack() as cleanup:
        out = Collector(Budget(limit))
        cleanup.callback(out.abandon)
        err = Collector(Budget(limit))
        cleanup.callback(err.abandon)
        with memfile.stdin(stdin, feed) as stdin_fd:
            child = spawn(
                argv, stdin=stdin_fd, stdout=out.write_end, stderr=err.write_end, session=session,
                **settings,
            )  # fmt: skip
        out.started()
        err.started()
        try:
            async with asyncio.timeout(timeout):
                code = await child.wait()
        except TimeoutError as e:
            await finish(_end(child, out, err))
            program = settings.get("executable") or argv[0]
            raise TimedOut(f"{program} did not end within {timeout:g} s and was killed") from e
        except asyncio.CancelledError:
            await finish(_end(child, out, err))
            raise
        return Finished(tuple(argv), code, *await collect(out, err))


async def _end(child: Child, *outputs: Collector) -> None:
    await child.end()
    if child.leads_session:  # its other processes were killed, too, and close their output
        await collect(*outputs)
