"""Child processes by pidfd on the event loop.

Popen (vfork, no preexec) and one pidfd reader: about 1 ms and 0.2 ms of CPU a process, where
asyncio's own transports take a thread and twice that. Every child of the daemon is started here,
so that the reaper knows which zombies are somebody's.

The end of the *process* is the event; pipes that a grandchild keeps open are drained for a short
time only (DRAIN_S).
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from cri_shim.aio import descriptors
from cri_shim.aio.offload import finish
from cri_shim.errors import TimedOut, ToolFailed

DRAIN_S = 0.2  # how long output is still read after the process ended and left its pipe open
OUTPUT_LIMIT = 4 << 20  # bytes kept of each stream of a tool's output; the rest is read and dropped
_CHUNK = 1 << 16

ours: set[int] = set()  # pids this module will reap itself


@dataclass(frozen=True, slots=True)
class Finished:
    """How a child ended: `returncode` is negative for a signal, as in subprocess."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    def complaint(self) -> str:
        """What the program said of its failure, in one line fit for an error."""
        text = (self.stderr.strip() or self.stdout.strip()).decode(errors="replace")
        return text[-2000:] or f"exit status {self.returncode}, no message"


class Child:
    """A running child process. `wait` may be called by several tasks, and again after the end."""

    def __init__(self, process: subprocess.Popen[bytes], *, session: bool = False) -> None:
        self._process = process
        self._session = session  # it leads one of its own
        self.pid = process.pid
        self._pidfd = os.pidfd_open(self.pid)
        ours.add(self.pid)
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        code = self._process.wait()
        ours.discard(self.pid)
        self._ended.set_result(code)

    async def wait(self) -> int:
        """Return the exit code, or minus the signal."""
        return await asyncio.shield(self._ended)

    @property
    def running(self) -> bool:
        return self._pidfd >= 0

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; a child that has ended is left alone."""
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, number)

    async def end(self) -> None:
        """Kill, and return when it is reaped, even if this task is cancelled meanwhile.

        In a session of its own, what it has started there is killed too.
        """
        if self._session and self._pidfd >= 0:  # not reaped yet: the id is still its own
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self.kill()
        await finish(self.wait())


def spawn(
    argv: Sequence[str],
    *,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = subprocess.DEVNULL,
    stderr: int | None = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    pass_fds: Sequence[int] = (),
    session: bool = False,
    executable: str | None = None,
) -> Child:
    """Start a program; raise ToolFailed naming it if it cannot be executed.

    `executable` is the program where argv[0] is but the name that it is to see.
    """
    try:
        process = subprocess.Popen(
            argv,
            executable=executable,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd=cwd,
            pass_fds=pass_fds,
            start_new_session=session,
        )
    except OSError as e:
        raise ToolFailed(f"cannot run {executable or argv[0]}: {e.strerror or e}") from e
    descriptors.restore(process.pid)
    try:
        return Child(process, session=session)
    except OSError as e:  # no descriptor left to watch it by: nobody would ever reap it
        process.kill()
        process.wait()
        raise ToolFailed(f"cannot watch {argv[0]}: {e.strerror or e}") from e


class Collector:
    """Reads a pipe to its end, keeps at most `limit` bytes and drops the rest."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            self._read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        except OSError as e:
            raise ToolFailed(f"cannot make a pipe for a program's output: {e.strerror}") from e
        os.set_blocking(self._read_end, False)
        asyncio.get_running_loop().add_reader(self._read_end, self._on_readable)

    def _on_readable(self) -> None:
        try:
            data = os.read(self._read_end, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._close()
            return
        self._kept += data[: max(0, self._limit - len(self._kept))]

    def _close(self) -> None:
        if not self._done.done():
            asyncio.get_running_loop().remove_reader(self._read_end)
            os.close(self._read_end)
            self._done.set_result(None)

    def started(self) -> None:
        """The child has its copy of the write end: close ours."""
        os.close(self.write_end)
        self.write_end = -1

    async def collected(self) -> bytes:
        """What was written until the end of file, or until DRAIN_S from now."""
        (data,) = await collect(self)
        return data

    def ended(self) -> "asyncio.Future[None]":
        """Done at the end of file, or when reading was given up."""
        return self._done

    def kept(self) -> bytes:
        return bytes(self._kept)

    def abandon(self) -> None:
        """Stop reading; both ends are closed."""
        self._close()
        if self.write_end >= 0:
            self.started()


async def collect(*collectors: Collector) -> list[bytes]:
    """What was written to each until its end of file, or until DRAIN_S from now."""
    unended = [ended for collector in collectors if not (ended := collector.ended()).done()]
    if unended:
        await asyncio.wait(unended, timeout=DRAIN_S)
    for collector in collectors:
        collector.abandon()
    return [collector.kept() for collector in collectors]


async def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    timeout: float | None = None,
    pass_fds: Sequence[int] = (),
    limit: int = OUTPUT_LIMIT,
    session: bool = False,
    executable: str | None = None,
) -> Finished:
    """Run a program to its end and return how it ended.

    `timeout` is in seconds; after it, or on cancellation, the program is killed (with all of its
    `session`, if it is to have one) and reaped before TimedOut (or the cancellation) is raised. A
    non-zero exit is no error here.
    """
    with ExitStack() as cleanup:
        out = Collector(limit)
        cleanup.callback(out.abandon)
        err = Collector(limit)
        cleanup.callback(err.abandon)
        with memfile(stdin) as feed:
            child = spawn(
                argv, stdin=feed, stdout=out.write_end, stderr=err.write_end,
                env=env, cwd=cwd, pass_fds=pass_fds, session=session, executable=executable,
            )  # fmt: skip
        out.started()
        err.started()
        try:
            async with asyncio.timeout(timeout):
                code = await child.wait()
            return Finished(tuple(argv), code, *await collect(out, err))
        except TimeoutError as e:
            await child.end()
            program = executable or argv[0]
            raise TimedOut(f"{program} did not end within {timeout:g} s and was killed") from e
        except asyncio.CancelledError:
            await child.end()
            raise


@contextmanager
def memfile(data: bytes) -> Iterator[int]:
    """An anonymous file holding `data`, open at its start: stdin of any size without a writer."""
    if not data:
        yield subprocess.DEVNULL
        return
    try:
        fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
    except OSError as e:
        raise ToolFailed(f"cannot make a file for a program's input: {e.strerror}") from e
    with os.fdopen(fd, "r+b", buffering=0) as file:
        _write_all(fd, data)
        file.seek(0)
        yield fd


def _write_all(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:  # one write takes 2 GiB at most
        left = left[os.write(fd, left) :]
