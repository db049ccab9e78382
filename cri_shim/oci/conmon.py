"""conmon creates a container with the OCI runtime's `create` and stays beside it until its end.

conmon waits for one byte before it does anything. Before the daemon writes that byte, it moves
conmon to a cgroup of its own; so neither the end of the daemon nor the limits of the container
affect conmon. conmon leaves these files in the bundle: `attach`, `ctl`, `winsz`, `pidfile`,
`conmon.pid`, and at the end `exit` and `oom`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cri_shim.activity import Step, program
from cri_shim.aio import child
from cri_shim.aio.cleanup import attempt
from cri_shim.aio.memfile import memfile, text_of
from cri_shim.aio.offload import finish, offload
from cri_shim.errors import ToolFailed
from cri_shim.faults import fault_point
from cri_shim.linux import null_device, process
from cri_shim.linux.privacy import make_private, write_private
from cri_shim.oci import find_conmon, log_directory, messages, sync_pipe
from cri_shim.oci.ctl import Control
from cri_shim.oci.handlers import Handler, executable
from cri_shim.oci.hook_steps import HookSteps
from cri_shim.oci.log_directory import LogFile
from cri_shim.oci.runtime import ENVIRONMENT, OciRuntime
from cri_shim.pb import state_pb2 as state
from cri_shim.untrusted import read_file

_PID_FILE_LIMIT = 64  # bytes
_RUNTIME_LOG = "oci.log"  # in the bundle: warnings of the OCI runtime's `create`
TOTAL_SINCE = (2, 1, 2)  # the version of conmon with --log-global-size-max
_INHERITED = frozenset({"_OCI_SYNCPIPE", "_OCI_STARTPIPE"})


@dataclass(frozen=True, slots=True)
class Started:
    """The processes of a container that is created and not started yet."""

    init: state.Process
    monitor: state.Process


@dataclass(frozen=True, slots=True)
class LogLimits:
    """Limits of a container's log in bytes; <= 0 means no limit.

    `file` is that of one file: conmon begins it again then, and its lines are lost. `total` is that
    of all that a conmon writes in its life: it discards the output after that, without a mark.
    """

    file: int = 0
    total: int = 0

    def options(self) -> list[str]:
        """Return conmon's options. The second one needs TOTAL_SINCE."""
        found = [f"--log-size-max={self.file}"] if self.file > 0 else []
        return [*found, *([f"--log-global-size-max={self.total}"] if self.total > 0 else [])]


NO_LIMITS = LogLimits()


class Conmon(Control):
    """Starts conmons and sends requests to them.

    `place_monitor(id, pid)` moves a conmon that has not begun into its cgroup; it may block and
    raise OSError. `logs` is a directory for mounts, see Control.
    """

    def __init__(
        self,
        candidates: Sequence[str],
        oci: OciRuntime,
        *,
        place_monitor: Callable[[str, int], None],
        logs: Path,
        env: Mapping[str, str] = ENVIRONMENT,
        no_pivot: bool = False,
        systemd_cgroup: bool = False,
    ) -> None:
        """ToolFailed with the tried paths, if there is no conmon."""
        super().__init__(logs)
        make_private(logs)
        self.path = executable("conmon", candidates)
        self._oci = oci
        self._place_monitor = place_monitor
        self._env = {k: v for k, v in env.items() if k not in _INHERITED}
        self._options = ["--log-level=warning", "--full-attach"]
        self._options += ["--no-pivot"] if no_pivot else []
        self._options += ["--systemd-cgroup"] if systemd_cgroup else []

    async def create(
        self,
        handler: Handler,
        id: str,
        bundle: Path,
        *,
        log: LogFile | None,
        tty: bool,
        stdin: bool,
        stdin_once: bool,
        limits: LogLimits = NO_LIMITS,
        context: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Started:
        """Create the container of `bundle`; its output goes to `log`.

        conmon is started within `context`, so it inherits what this thread has there.

        After a failure or a cancellation no process of it is left, and nothing in the OCI runtime
        or the bundle. The caller removes the cgroups of a monitor or a runtime that was killed.
        Raises CommandNotFound and ToolFailed with the OCI runtime's message; TimedOut; WrongState
        and Unavailable if this log cannot be made.
        """
        _forget_last_exit(bundle)
        argv = self._command(handler, id, bundle, log)
        argv += limits.options()
        argv += terminal_flags(tty=tty, stdin=stdin, stdin_once=stdin_once)
        try:
            write_private(bundle / _RUNTIME_LOG, "")  # the runtime would make it readable by others
            if log is not None:
                with Step("log", f"the file system of the log {log.path}"):
                    await self._open_log(id, log)
            name = f"{handler.name} create"
            counted = ("oci", handler.name, "create")
            waits_for = partial(_waits_for, name, bundle)
            limit = sync_pipe.CREATE_S
            with (
                Step(name, waits_for, limit=limit, program=True, counted=counted),
                HookSteps("create", name, bundle, partial(_monitor, bundle)),
            ):
                await self._launch(id, bundle, argv, context)
            fault_point("oci.create.identify")
            return Started(
                init=_process(bundle / "pidfile", f"container {id} died while it was created"),
                monitor=_process(bundle / "conmon.pid", f"the conmon of container {id} died"),
            )
        except BaseException as e:
            undo = partial(self._undo, handler, id, bundle)
            await finish(attempt(f"create container {id}: undoing conmon failed", undo))
            if isinstance(e, OSError):  # no free descriptor, or no bundle
                raise ToolFailed(f"cannot create container {id}: {e}") from e
            raise

    async def _open_log(self, id: str, log: LogFile) -> None:
        fault_point("oci.create.log")
        tree = await log_directory.look(log, log_directory.open_first, log, discard=os.close)
        log_directory.mount(tree, self._logs / id)

    def _command(self, handler: Handler, id: str, bundle: Path, log: LogFile | None) -> list[str]:
        return [
            *(str(self.path), "-c", id, "-u", id, "-n", id, "-b", str(bundle)),
            *("-r", str(handler.run_path), f"--runtime-arg=--root={handler.root}"),
            *(f"--runtime-arg={option}" for option in handler.options),
            # Its standard streams are the container's output: its own messages go to a file.
            f"--runtime-arg=--log={bundle / _RUNTIME_LOG}",
            *("-p", str(bundle / "pidfile"), "-P", str(bundle / "conmon.pid")),
            *("--persist-dir", str(bundle)),
            *("-l", f"k8s-file:{self._logs / id / log.name}" if log else "none"),
            *self._options,
        ]

    async def _launch(
        self,
        id: str,
        bundle: Path,
        argv: Sequence[str],
        context: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Start conmon, let it begin, and wait for its message that the container is created."""
        attempt = f"cannot create container {id}"
        with ExitStack() as ours, ExitStack() as theirs:
            sync_read, sync_write = os.pipe2(os.O_CLOEXEC)
            ours.callback(os.close, sync_read)
            theirs.callback(os.close, sync_write)
            start_read, start_write = os.pipe2(os.O_CLOEXEC)
            start_pipe = ours.enter_context(ExitStack())
            start_pipe.callback(os.close, start_write)
            theirs.callback(os.close, start_read)
            stderr = ours.enter_context(memfile())
            pipes = {"_OCI_SYNCPIPE": str(sync_write), "_OCI_STARTPIPE": str(start_read)}
            fault_point("oci.create.spawn")
            with context():
                conmon = child.spawn(
                    argv,
                    stderr=stderr,
                    env={**self._env, **pipes},
                    cwd=str(bundle),
                    pass_fds=(sync_write, start_read),
                    session=True,
                )
            theirs.close()
            try:
                fault_point("oci.create.place")
                await self._place(id, conmon.pid)
                fault_point("oci.create.go")
                with suppress(BrokenPipeError):  # it has died: the end of the pipe shows it
                    os.write(start_write, b"x")
                start_pipe.close()
                message = await sync_pipe.outcome(sync_read, attempt)
                await conmon.wait()
            finally:
                await conmon.end()
                null_device.restore()  # no program of the container runs yet
            if message is None:
                raise messages.failure(attempt, text_of(stderr) or "conmon ended without a word")
            pid = message.get("pid")
            if not isinstance(pid, int) or pid < 0:
                raise messages.failure(attempt, str(message.get("message", "")))

    async def _place(self, id: str, pid: int) -> None:
        try:
            await offload(self._place_monitor, id, pid)
        except ProcessLookupError:
            return  # it has died: the end of its pipe shows it, and its message says why
        except OSError as e:
            raise ToolFailed(f"cannot move the conmon of container {id} to a cgroup: {e}") from e

    async def _undo(self, handler: Handler, id: str, bundle: Path) -> None:
        await self.end(id)
        await self._oci.delete(handler, id, force=True)
        self.cleanup(id, bundle)
        _forget_last_exit(bundle)

    def created(self, bundle: Path) -> Started | None:
        """Return the processes of a container from conmon's pid files; None if one has ended."""
        try:
            return Started(_process(bundle / "pidfile", ""), _process(bundle / "conmon.pid", ""))
        except ToolFailed:
            return None

    async def end(self, id: str) -> None:
        """Kill every conmon of the container, and an OCI runtime that is still creating it."""
        await find_conmon.end(id)

    def cleanup(self, id: str, bundle: Path) -> None:
        """Remove the files of an ended conmon, except the exit, which goes with the bundle.

        Idempotent; the bundle need not exist any more.
        """
        log_directory.unmount(self._logs / id)
        for name in (
            "attach",
            "ctl",
            "winsz",
            "pidfile",
            "conmon.pid",
            f"pidfile-{id}",
            _RUNTIME_LOG,
        ):
            with suppress(FileNotFoundError):
                (bundle / name).unlink()


def terminal_flags(*, tty: bool, stdin: bool, stdin_once: bool) -> list[str]:
    """Return conmon's flags for the CRI's tty, stdin, stdin_once.

    With a terminal, stdin is the terminal's: `-t -i` would kill it with the first client.
    """
    if tty:
        return ["-t"]
    if not stdin:
        return []
    return ["-i"] if stdin_once else ["-i", "--leave-stdin-open"]


def _waits_for(name: str, bundle: Path) -> str:
    """Describe a create that runs: the OCI runtime may run a hook, or wait for a mount."""
    if not (monitor := _monitor(bundle)):
        return f"conmon, for {name}"
    return f"OCI runtime {name}{program.innermost(monitor)}"


def _monitor(bundle: Path) -> int:
    """Return the pid of conmon from its pid file; 0 if it has not written that yet."""
    try:
        return int(read_file(bundle / "conmon.pid", _PID_FILE_LIMIT))
    except (OSError, ValueError):
        return 0


def _forget_last_exit(bundle: Path) -> None:
    for name in ("exit", "oom"):
        (bundle / name).unlink(missing_ok=True)


def _process(pid_file: Path, otherwise: str) -> state.Process:
    """Return the process of a pid file with its start time; ToolFailed if it does not live."""
    try:
        pid = int(read_file(pid_file, _PID_FILE_LIMIT))
    except (OSError, ValueError) as e:
        raise ToolFailed(f"{otherwise}: {pid_file.name}: {e}") from e
    start = process.start_time(pid) if pid > 0 else None
    if start is None:
        raise ToolFailed(otherwise)
    return state.Process(pid=pid, start_time=start)
