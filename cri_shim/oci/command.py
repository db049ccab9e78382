"""An interactive command in a running container.

The OCI runtime's `exec --detach` starts the command and ends; the daemon is a child subreaper and
adopts it. So no process is between the daemon and the command, crun and runc are used in the same
way, and the runtime's exit status is about the start only. The streams of the command are three
pipes, or a terminal whose master comes through a console socket.

The pid file is the record of the command; `leftovers` of the next daemon reads it. With crun the
command may run before the file exists. Until then the runtime itself is the record, and only the
runtime knows which process it has started. So it is not killed if it can be awaited.
"""

import asyncio
import functools
import itertools
import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.aio import child as aio_child
from cri_shim.aio import reaper
from cri_shim.aio.child import Child
from cri_shim.aio.memfile import memfile, text_of
from cri_shim.aio.offload import finish
from cri_shim.errors import TimedOut, ToolFailed
from cri_shim.linux import process as linux_process
from cri_shim.oci import console, messages, process_tree
from cri_shim.oci.exec import arguments, session
from cri_shim.oci.oom_score import scored
from cri_shim.oci.stdio import PipeReader, PipeWriter, no_input, pipe
from cri_shim.wire.remotecommand import Stream

START_S = 60.0  # for the OCI runtime to start it; measured: 5 ms with crun, 15 with runc
GRACE_S = 2.0  # the same, after the start was cancelled or timed out
_END_OF_FILE = b"\x04"  # a terminal's line discipline ends its input with this character

_serial = itertools.count()


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of a command that the client wants; with `tty`, stderr is part of stdout."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


@dataclass(frozen=True, slots=True)
class OutputHandler:
    """The caller's callbacks; they are called on the loop and never block."""

    output: Callable[[int, bytes], None]  # STDOUT or STDERR, and the bytes
    drained: Callable[[], None]  # the process has read the waiting input
    backlog: Callable[[], int]  # bytes of output that the caller could not pass on yet


class Command:
    """Started by `start`; the caller must `close` it at the end in every case."""

    def __init__(
        self, streams: Streams, handler: OutputHandler, pid_file: Path, owner: int = -1
    ) -> None:
        """`owner` is the host id of the command's user, for its pipes; -1 leaves them root's."""
        self._owner = owner
        self._streams = streams
        self._handler = handler
        self._pid_file = pid_file
        self._outlets: list[PipeReader] = []
        self._inlet: PipeWriter | None = None
        self._terminal = -1
        self._process: Child | None = None
        self._start = 0
        self._sessions: set[int] = set()
        self._paused = False
        self._runs = False
        self._drained = asyncio.Event()

    # -- starting -----------------------------------------------------------------------------

    async def start(
        self,
        runtime: Sequence[str],
        id: str,
        process: Mapping[str, Any],
        *,
        env: Mapping[str, str],
    ) -> None:
        """Start `process` in container `id` with the OCI `runtime`.

        Output may arrive before this returns. After CommandNotFound, ToolFailed or TimedOut no
        process of the command runs, and there is no output: the OCI runtime writes its error to the
        command's standard error, too.
        """
        name = process["args"][0]
        attempt = f"cannot execute {name!r} in container {id}"
        with ExitStack() as cleanup:
            document = json.dumps(process, ensure_ascii=False).encode(errors="surrogateescape")
            spec = cleanup.enter_context(memfile(document))
            log = cleanup.enter_context(memfile())
            argv = arguments(runtime, spec, log, self._pid_file, "--detach")
            terminal: console.Console | None = None
            theirs = cleanup.enter_context(ExitStack())
            if self._streams.tty:
                socket_name = self._pid_file.with_suffix(".sock").name
                terminal = cleanup.enter_context(
                    console.Console(self._pid_file.parent, socket_name)
                )
                argv.append(f"--console-socket={terminal.path}")
                stdio = [subprocess.DEVNULL] * 3
            else:
                stdio = self._pipes(theirs)
            with reaper.held():
                client = aio_child.spawn(
                    scored([*argv, id], process),
                    stdin=stdio[Stream.STDIN],
                    stdout=stdio[Stream.STDOUT],
                    stderr=stdio[Stream.STDERR],
                    env=env,
                    pass_fds=(spec, log),
                    session=True,
                )
                theirs.close()
                code = await self._started(client, attempt)
                if code:
                    raise messages.failure(attempt, text_of(log))
                self._adopt(attempt)
            self._runs = True
            if not self._paused:
                self.resume()
            if terminal is not None:
                self._use_terminal(terminal.receive())

    def _pipes(self, theirs: ExitStack) -> list[int]:
        """Make the streams; return the command's ends. The daemon's ends are in use at once.

        No stream is /dev/null (see `no_input`): output that the client did not ask for is read and
        dropped.
        """
        stdio = [-1] * 3
        try:
            if self._streams.stdin:
                stdio[Stream.STDIN], ours = pipe(self._owner)
                self._inlet = PipeWriter(ours, self._handler.drained)
            else:
                stdio[Stream.STDIN] = no_input()
            theirs.callback(os.close, stdio[Stream.STDIN])
            for number, wanted in (
                (Stream.STDOUT, self._streams.stdout),
                (Stream.STDERR, self._streams.stderr),
            ):
                ours, stdio[number] = pipe(self._owner)
                theirs.callback(os.close, stdio[number])
                self._outlet(ours, number, wanted=wanted)
        except OSError as e:
            raise ToolFailed(f"cannot make a pipe for a command's streams: {e.strerror}") from e
        return stdio

    def _outlet(self, fd: int, number: int, *, wanted: bool = True) -> None:
        handler = self._handler
        deliver = functools.partial(handler.output, number) if wanted else _drop
        outlet = PipeReader(fd, deliver, self._look_drained)
        self._outlets.append(outlet)
        if self._paused or not self._runs:
            outlet.pause()

    async def _started(self, client: Child, attempt: str) -> int:
        try:
            async with asyncio.timeout(START_S):
                return await client.wait()
        except TimeoutError as e:
            await finish(self._abandon(client))
            raise TimedOut(f"{attempt}: the OCI runtime did not end within {START_S:g} s") from e
        except asyncio.CancelledError:
            await finish(self._abandon(client))
            raise

    async def _abandon(self, client: Child) -> None:
        """End the processes that the OCI runtime has started or is about to start."""
        try:
            async with asyncio.timeout(GRACE_S):
                await client.wait()
        except TimeoutError:
            await process_tree.end(client.pid, {client.pid} | session(self._pid_file))
            await client.end()
        await process_tree.end(0, {client.pid} | session(self._pid_file))

    def _adopt(self, attempt: str) -> None:
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError) as e:
            raise ToolFailed(f"{attempt}: the OCI runtime left no pid: {e}") from e
        self._start = linux_process.start_time(pid) or 0
        self._sessions = session(self._pid_file)
        self._process = aio_child.adopt(pid)

    def _use_terminal(self, master: int) -> None:
        self._terminal = master
        if self._streams.stdin:
            self._inlet = PipeWriter(os.dup(master), self._handler.drained)
        self._outlet(os.dup(master), Stream.STDOUT)

    # -- talking ------------------------------------------------------------------------------

    def feed(self, data: bytes | memoryview) -> int:
        """Send input to the command; return how many bytes wait to be written to it."""
        if self._inlet is None:
            return 0
        self._inlet.feed(data)
        return self._inlet.waiting

    def feed_end(self) -> None:
        """End the input."""
        if self._inlet is None:
            return
        if self._terminal >= 0:
            self._inlet.feed(_END_OF_FILE)
        else:
            self._inlet.end()

    def resize(self, width: int, height: int) -> None:
        """Set the size of the terminal, in characters."""
        if self._terminal >= 0:
            console.resize(self._terminal, width, height)

    def pause(self) -> None:
        """Stop reading the output; the full pipe blocks this command only."""
        self._paused = True
        for outlet in self._outlets:
            outlet.pause()

    def resume(self) -> None:
        self._paused = False
        if self._runs:
            for outlet in self._outlets:
                outlet.resume()

    # -- ending -------------------------------------------------------------------------------

    async def wait(self) -> int:
        """Return 0..255, or 128 + signal, when it has ended and all its output is delivered."""
        assert self._process is not None, "not started"
        code = await self._process.wait()
        for outlet in self._outlets:
            outlet.finish()
        self._look_drained()
        await self._drained.wait()
        return aio_child.exit_code(code)

    def _look_drained(self) -> None:
        if not any(outlet.open for outlet in self._outlets):
            self._drained.set()

    async def end(self) -> None:
        """Kill it with all processes that it started; none is left, and no write continues."""
        if self._process is not None and self._process.running:
            await process_tree.end_with(self._process.pid, self._start, self._sessions)
            await self._process.end()

    async def close(self) -> None:
        """End it, close its streams and remove its pid file. Idempotent."""
        try:
            await self.end()
        finally:
            self._release()

    def _release(self) -> None:
        for outlet in self._outlets:
            outlet.close()
        if self._inlet is not None:
            self._inlet.close()
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1
        self._pid_file.unlink(missing_ok=True)


def _drop(data: bytes) -> None:
    """Drop output that the client did not ask for."""


def pid_file(directory: Path) -> Path:
    """Return a new path in `directory`, different from the pid files of `exec.exec_sync`."""
    return directory / f"{os.getpid()}-i{next(_serial)}.pid"
