"""A container as an object."""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypedDict, Unpack

from cri_shim import lifecycle
from cri_shim.containers import (
    commit,
    diff,
    exec,
    export,
    interactive,
    kill,
    logs,
    pause,
    remove,
    start,
    stop,
    top,
    wait,
)
from cri_shim.containers.commit import How
from cri_shim.containers.stats import ContainerGauges
from cri_shim.containers.top import Process
from cri_shim.containers.wait import Condition
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument
from cri_shim.library import inspect
from cri_shim.library.arguments import checked
from cri_shim.library.handle import Handle, moment, nanoseconds
from cri_shim.library.image import Image
from cri_shim.library.session import Session
from cri_shim.oci.exec import ExecResult
from cri_shim.oci.log_file import LogQuery
from cri_shim.options import StrPath
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.pb import state_pb2 as state
from cri_shim.store.trees.changes import Change
from cri_shim.untrusted import printable
from cri_shim.validate.requests import Validator
from cri_shim.wire.cri_log import LogEntry

if TYPE_CHECKING:
    from cri_shim.library.pod import Pod


class ProcessWords(TypedDict, total=False):
    """How a command in a container differs from the container's own program."""

    env: Mapping[str, str]  # added to the container's
    working_dir: str
    user: str  # name|uid[:group|gid]


STOP_S = 10  # seconds before SIGKILL, like podman
_check = Validator()


def listed(engine: Engine) -> "list[Container]":
    """Return every container of this state namespace, without those that are being created."""
    return [
        Container(engine, container.id)
        for container in engine.objects.containers()
        if container.phase != state.CONTAINER_CREATING
    ]


@checked
class Container(Handle):
    """One container, by its id.

    When the container is gone, everything except `remove` raises NotFound. When its runtime has
    stopped, everything raises RuntimeStopped.
    """

    @property
    def _record(self) -> state.ContainerRecord:
        return self._engine.objects.container(self.id)

    # -- properties ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._record.config.metadata.name

    @property
    def pod(self) -> "Pod":
        from cri_shim.library.pod import Pod

        return Pod(self._engine, self._record.pod_id)

    @property
    def status(self) -> str:
        """created, starting, running, paused, exited or removing."""
        return inspect.status(self._record)

    @property
    def labels(self) -> Mapping[str, str]:
        return dict(self._record.config.labels)

    @property
    def image(self) -> str:
        """The id of its image, which may be removed by now."""
        return self._record.image_id

    @property
    def pid(self) -> int:
        """The pid of its init on the host; 0 if it does not run."""
        record = self._record
        return record.init.pid if lifecycle.has_process(record) else 0

    @property
    def exit_code(self) -> int | None:
        """0..255, or 128 + signal, after its end; None before."""
        record = self._record
        return record.exit_code if record.finished_at else None

    @property
    def created_at(self) -> datetime:
        return moment(self._record.created_at)

    @property
    def log_path(self) -> Path | None:
        """The path of its log, which has the CRI's format; None without a log."""
        path = self._record.log_path
        return Path(path) if path else None

    @property
    def depends_on(self) -> Sequence["Container"]:
        """The containers that must run when it is started."""
        return [Container(self._engine, id) for id in self._record.depends_on]

    def inspect(self) -> Mapping[str, Any]:
        """Return its full description, JSON-able, with the keys of `podman container inspect`."""
        return inspect.container(self._engine, self._record)

    # -- lifecycle ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Start it; return when its program has been executed. WrongState unless it is created and
        its dependencies run; CommandNotFound, ToolFailed: it has ended with code 128."""
        await start.start(self._engine, self.id)

    async def stop(self, timeout: int = STOP_S) -> None:
        """Send its stop signal, and SIGKILL after `timeout` seconds; it need not run."""
        await stop.stop(self._engine, self._record.id, timeout)

    async def kill(self, signal: int | str = "SIGKILL") -> None:
        """Send a signal, by number or name, to its init. WrongState if it does not run."""
        await kill.kill(self._engine, self.id, signal)

    async def pause(self) -> None:
        """Freeze every process of it. WrongState if it does not run or is paused already."""
        await pause.pause(self._engine, self.id)

    async def unpause(self) -> None:
        """Resume its processes. WrongState if it is not paused."""
        await pause.unpause(self._engine, self.id)

    async def wait(self) -> int:
        """Wait for its end; return its exit code, 0..255, or 128 + signal."""
        return await wait.wait(self._engine, self.id)

    async def wait_until(self, condition: Condition) -> None:
        """Wait until it is running, paused, exited or removed, even for a moment.

        WrongState if it ends before that, NotFound if it is removed before that.
        """
        await wait.until(self._engine, self.id, condition)

    async def remove(self, *, force: bool = False) -> None:
        """Remove it; it may be gone already.

        WrongState if it runs, ContainerInUse if others depend on it, unless `force`.
        """
        await remove.remove(self._engine, self.id, force=force)

    # -- input and output ---------------------------------------------------------------------

    async def exec(
        self, command: Sequence[str], *, timeout: int = 0, **process: Unpack[ProcessWords]
    ) -> ExecResult:
        """Run a command in it; return exit code and output. After `timeout` seconds (0: no limit)
        the command is killed and TimedOut is raised. `process`: env, working_dir and user, which
        are the container's by default."""
        _check(api.ExecSyncRequest(container_id=self.id, cmd=command, timeout=timeout))
        request = self._command(command, process, stdout=True)
        changes = interactive.changes_of(request)
        return await exec.exec_sync(self._engine, self.id, list(command), timeout, changes)

    def open_exec(
        self,
        command: Sequence[str],
        *,
        stdin: bool = False,
        tty: bool = False,
        **process: Unpack[ProcessWords],
    ) -> Session:
        """Return a session with a new command in it: see Session; `process` as for `exec`."""
        request = self._command(command, process, stdin=stdin, stdout=True, stderr=not tty, tty=tty)
        return Session(lambda handler: interactive.exec(self._engine, request, handler))

    def _command(
        self, command: Sequence[str], process: ProcessWords, **streams: bool
    ) -> control.ExecRequest:
        request = control.ExecRequest(
            container_id=self.id,
            cmd=command,
            environment=[f"{name}={value}" for name, value in process.get("env", {}).items()],
            working_dir=process.get("working_dir", ""),
            user=process.get("user", ""),
            **streams,
        )
        _check(request)
        return request

    def attach(self, *, stdin: bool = False, stdout: bool = True, stderr: bool = True) -> Session:
        """Return a session with its own program: see Session. It must run. Earlier output is in
        the log. A reader that is too slow gets Unavailable."""
        request = self._attachment(stdin, stdout, stderr)
        return Session(lambda handler: interactive.attach(self._engine, request, handler))

    def start_attached(
        self, *, stdin: bool = False, stdout: bool = True, stderr: bool = True
    ) -> Session:
        """Return a session that starts it, so that no output is missed."""
        request = self._attachment(stdin, stdout, stderr)
        return Session(lambda handler: interactive.start(self._engine, request, handler))

    def _attachment(self, stdin: bool, stdout: bool, stderr: bool) -> api.AttachRequest:
        tty = self._record.config.tty
        request = api.AttachRequest(
            container_id=self.id, stdin=stdin, stdout=stdout, stderr=stderr and not tty, tty=tty
        )
        _check(request)
        return request

    def logs(
        self,
        *,
        since: datetime | int = 0,
        tail: int | None = None,
        follow: bool = False,
        stdout: bool = True,
        stderr: bool = True,
    ) -> AsyncGenerator[LogEntry, None]:
        """Yield an entry for each line of its log; `follow`: also new lines, until its end.

        `since` is a time, or nanoseconds since the epoch; `tail` is the number of last lines.
        WrongState if it has no log.
        """
        chosen = {"stdout": stdout, "stderr": stderr}
        streams = frozenset(name for name, query in chosen.items() if query)
        query = LogQuery(nanoseconds(since), tail, streams)
        return logs.logs(self._engine, self.id, query, follow=follow)

    # -- inspection ---------------------------------------------------------------------------

    async def top(self) -> Sequence[Process]:
        """Return its current processes. WrongState if it does not run."""
        return await top.top(self._engine, self.id)

    async def stats(self) -> api.ContainerStats:
        """Return its current usage in the CRI's form. For a rate, call twice."""
        return ContainerGauges(self._engine).one(self.id)

    async def diff(self) -> Sequence[Change]:
        """Return the changes in its root file system."""
        return await diff.diff(self._engine, self.id)

    async def commit(self, name: str = "", **how: Unpack[How]) -> Image:
        """Make a new image of it, like `podman commit`.

        `changes` are Docker's instructions ("CMD [...]", "ENV a=b"), or a mapping with the keys of
        an image config. It is paused meanwhile, unless `pause` is False. InvalidArgument for a bad
        name or change; NotFound if its image has been removed."""
        return Image(self._engine, await commit.commit(self._engine, self.id, name, **how))

    async def export(self, to: StrPath | BinaryIO) -> None:
        """Write its root file system as a tar to a file, or to an object with `write`.

        The file exists only after success. WrongState if a reboot took the file system; ToolFailed
        if a file cannot be read or written.
        """
        if isinstance(to, str | os.PathLike):
            to = Path(to)
            if not to.name:
                raise InvalidArgument("to", f"{str(to)!r} is not the path of a file")
        elif not callable(getattr(to, "write", None)):
            raise InvalidArgument(
                "to", f"{printable(repr(to), 80)} is not a path, and cannot write"
            )
        await export.export(self._engine, self.id, to)
