"""conmon makes a container by the OCI runtime's `create`, and stays beside it until its end.

It waits before its first deed for one byte, and by then it is in a cgroup of its own: neither the
daemon's end nor the container's limits are conmon's. What it leaves in the bundle: `attach`, `ctl`
and `winsz`, `pidfile`, `conmon.pid`, and at the end `exit` and `oom`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cri_shim.aio import child
from cri_shim.aio.cleanup import attempt
from cri_shim.aio.memfile import memfile, said
from cri_shim.aio.offload import finish, offload
from cri_shim.errors import ToolFailed
from cri_shim.faults import fault_point
from cri_shim.linux import null_device, process
from cri_shim.linux.privacy import make_private, write_private
from cri_shim.oci import find_conmon, log_directory, messages, sync_pipe
from cri_shim.oci.ctl import Control
from cri_shim.oci.handlers import Handler, executable
from cri_shim.oci.log_directory import LogFile
from cri_shim.oci.runtime import ENVIRONMENT, OciRuntime
from cri_shim.pb import state_pb2 as state
from cri_shim.untrusted import read_file

_PID_FILE_LIMIT = 64  # bytes
_RUNTIME_LOG = "oci.log"  # in the bundle: warnings of the OCI runtime's `create`
_INHERITED = frozenset({"_OCI_SYNCPIPE", "_OCI_STARTPIPE"})


@dataclass(frozen=True, slots=True)
class Started:
    """A container that is created and not started yet."""

    init: state.Process
    monitor: state.Process


class Conmon(Control):
    """Starts conmons and tells them things.

    `place_monitor(id, pid)` moves a conmon that has not begun into its cgroup; it may block, and
    raises OSError. `logs` is a directory for mounts, see Control. `log_size_max` in bytes, <= 0 is
    no limit.
    """

    def __init__(
        self,
        candidates: Sequence[str],
        oci: OciRuntime,
        *,
        place_monitor: Callable[[str, int], None],
        logs: Path,
        env: Mapping[str, str] = ENVIRONMENT,
        log_size_max: int = 0,
        no_pivot: bool = False,
        systemd_cgroup: bool = False,
    ) -> None:
        """ToolFailed, naming the paths tried, if there is no conmon."""
        super().__init__(logs)
        make_private(logs)
        self.path = executable("conmon", candidates)
        self._oci = oci
        self._place_monitor = place_monitor
        self._env = {k: v for k, v in env.items() if k not in _INHERITED}
        self._options = ["--log-level=warning", "--full-attach"]
        self._options += [f"--log-size-max={log_size_max}"] if log_size_max > 0 else []
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
    ) -> Started:
        """Create the container of `bundle`; its output goes to `log`.

        On failure and on cancellation no process of it is left, and nothing in the OCI runtime or
        the bundle; cgroups, of a monitor or a runtime that was killed, are the caller's to remove.
        CommandNotFound, ToolFailed with the OCI runtime's words; TimedOut; WrongState, Unavailable
        if there can be no such log.
        """
        _forget_last_exit(bundle)
        argv = self._command(handler, id, bundle, log)
        argv += terminal_flags(tty=tty, stdin=stdin, stdin_once=stdin_once)
        try:
            write_private(bundle / _RUNTIME_LOG, "")  # or it would be open to other users
            if log is not None:
                await self._open_log(id, log)
            await self._launch(id, bundle, argv)
            fault_point("oci.create.identify")
            return Started(
                init=_process(bundle / "pidfile", f"container {id} died while it was created"),
                monitor=_process(bundle / "conmon.pid", f"the conmon of container {id} died"),
            )
        except BaseException as e:
            undo = partial(self._undo, handler, id, bundle)
            await finish(attempt(f"create container {id}: undoing conmon failed", undo))
            if isinstance(e, OSError):  # no descriptor left, or no bundle
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
            # What it has to say is no output of the container, which has its standard streams.
            f"--runtime-arg=--log={bundle / _RUNTIME_LOG}",
            *("-p", str(bundle / "pidfile"), "-P", str(bundle / "conmon.pid")),
            *("--persist-dir", str(bundle)),
            *("-l", f"k8s-file:{self._logs / id / log.name}" if log else "none"),
            *self._options,
        ]

    async def _launch(self, id: str, bundle: Path, argv: Sequence[str]) -> None:
        """Start conmon, let it begin, and hear from it that the container is created."""
        attempt = f"cannot create container {id}"
        with ExitStack() as ours, ExitStack() as theirs:
            sync_read, sync_write = os.pipe2(os.O_CLOEXEC)
            ours.callback(os.close, sync_read)
            theirs.callback(os.close, sync_write)
            start_read, start_write = os.pipe2(os.O_CLOEXEC)
            go = ours.enter_context(ExitStack())
            go.callback(os.close, start_write)
            theirs.callback(os.close, start_read)
            stderr = ours.enter_context(memfile())
            pipes = {"_OCI_SYNCPIPE": str(sync_write), "_OCI_STARTPIPE": str(start_read)}
            fault_point("oci.create.spawn")
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
                with suppress(BrokenPipeError):  # it has died: the end of the pipe tells
                    os.write(start_write, b"x")
                go.close()
                message = await sync_pipe.outcome(sync_read, attempt)
                await conmon.wait()
            finally:
                await conmon.end()
                null_device.take_back()  # no program of the container runs yet
            if message is None:
                raise messages.failure(attempt, said(stderr) or "conmon ended without a word")
            pid = message.get("pid")
            if not isinstance(pid, int) or pid < 0:
                raise messages.failure(attempt, str(message.get("message", "")))

    async def _place(self, id: str, pid: int) -> None:
        try:
            await offload(self._place_monitor, id, pid)
        except ProcessLookupError:
            return  # it has died: the end of its pipe tells, and it says why
        except OSError as e:
            raise ToolFailed(f"cannot move the conmon of container {id} to a cgroup: {e}") from e

    async def _undo(self, handler: Handler, id: str, bundle: Path) -> None:
        await self.end(id)
        await self._oci.delete(handler, id, force=True)
        self.cleanup(id, bundle)
        _forget_last_exit(bundle)

    def created(self, bundle: Path) -> Started | None:
        """The processes of a container by what its conmon has left; None if one does not live."""
        try:
            return Started(_process(bundle / "pidfile", ""), _process(bundle / "conmon.pid", ""))
        except ToolFailed:
            return None

    def find(self, id: str) -> state.Process | None:
        """The conmon of a container by its command line: for when nobody recorded its pid.

        Costs a look at every process of the host.
        """
        found = find_conmon.of(id)
        return found[-1] if found else None

    async def end(self, id: str) -> None:
        """Kill every conmon of the container, and with it an OCI runtime that still creates."""
        await find_conmon.end(id)

    def cleanup(self, id: str, bundle: Path) -> None:
        """Remove what an ended conmon leaves, but not the exit: that goes with the bundle.

        Idempotent, and fine if there is no bundle any more.
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
    """conmon's flags for the CRI's tty, stdin, stdin_once.

    With a terminal its stdin is the terminal's: `-t -i` would kill it with the first client.
    """
    if tty:
        return ["-t"]
    if not stdin:
        return []
    return ["-i"] if stdin_once else ["-i", "--leave-stdin-open"]


def _forget_last_exit(bundle: Path) -> None:
    for name in ("exit", "oom"):
        (bundle / name).unlink(missing_ok=True)


def _process(pid_file: Path, otherwise: str) -> state.Process:
    """The process a pid file names, by start time too, as long as it is certainly the same."""
    try:
        pid = int(read_file(pid_file, _PID_FILE_LIMIT))
    except (OSError, ValueError) as e:
        raise ToolFailed(f"{otherwise}: {pid_file.name}: {e}") from e
    start = process.start_time(pid) if pid > 0 else None
    if start is None:
        raise ToolFailed(otherwise)
    return state.Process(pid=pid, start_time=start)
