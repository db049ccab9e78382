"""The OCI runtime's verbs that need no monitor: start, update, pause, resume, state, delete.

Each is one short process. Signals do not use the runtime: a pidfd sends them without a process.
"""

import json
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from cri_shim.activity import Step
from cri_shim.aio import child
from cri_shim.aio.offload import finish
from cri_shim.errors import ToolFailed
from cri_shim.linux.privacy import make_private
from cri_shim.linux.process_handle import Process
from cri_shim.linux.remove import remove_tree
from cri_shim.oci import command as oci_command
from cri_shim.oci import exec as oci_exec
from cri_shim.oci import leftovers, messages
from cri_shim.oci.command import Command, OutputHandler, Streams
from cri_shim.oci.handlers import Handler
from cri_shim.oci.hook_steps import HookSteps
from cri_shim.untrusted import parse_json, printable

TOOL_S = 60.0  # for one call; hooks may be slow, but a hanging runtime must not hold a lock forever
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class OciRuntime:
    """Runs the OCI runtime of a handler. `exec_dir` has the pid files of running commands."""

    def __init__(
        self,
        *,
        exec_dir: Path,
        systemd_cgroup: bool = False,
        env: Mapping[str, str] = ENVIRONMENT,
    ) -> None:
        self._options = ("--systemd-cgroup",) if systemd_cgroup else ()
        self._env = env
        self._exec_dir = exec_dir
        make_private(exec_dir)

    async def start(self, handler: Handler, id: str, bundle: Path | None = None) -> None:
        """Start the program of a created container. CommandNotFound, ToolFailed.

        `bundle` has the document, for the steps of its hooks.
        """
        attempt = f"cannot start container {id}"
        await self._run(handler, "start", id, attempt=attempt, hooks_of=bundle)

    async def update(self, handler: Handler, id: str, resources: Mapping[str, Any]) -> None:
        """Change the limits in `resources` (as in the OCI document), keep the rest. ToolFailed."""
        attempt = f"cannot update the resources of container {id}"
        text = json.dumps(resources).encode()
        await self._run(handler, "update", "--resources=-", id, attempt=attempt, stdin=text)

    async def pause(self, handler: Handler, id: str) -> None:
        await self._run(handler, "pause", id, attempt=f"cannot pause container {id}")

    async def resume(self, handler: Handler, id: str) -> None:
        await self._run(handler, "resume", id, attempt=f"cannot resume container {id}")

    async def state(self, handler: Handler, id: str) -> dict[str, Any] | None:
        """Return the OCI state (`status`, `pid`, ...); None if the runtime does not know it."""
        if not (handler.root / id).exists():
            return None
        done = await self._run(handler, "state", id)
        if done.returncode == 0:
            return _state(id, done.stdout)
        if messages.is_missing(done.complaint()):
            return None
        raise messages.failure(f"cannot read the state of container {id}", done.complaint())

    async def delete(
        self, handler: Handler, id: str, force: bool = False, bundle: Path | None = None
    ) -> None:
        """Delete an ended container in the runtime; with `force` end it first. Idempotent.

        `bundle` is as for `start`. ToolFailed if it lives (without `force`), or cannot be ended.
        """
        where = handler.root / id
        if not where.exists():
            return
        done = await self._run(handler, "delete", id, hooks_of=bundle)
        if done.returncode and force and not messages.is_missing(done.complaint()):
            await self._kill_init(handler, id)  # runc's own --force polls every 100 ms
            done = await self._run(handler, "delete", id)
            if done.returncode:
                done = await self._run(handler, "delete", "--force", id)
        if done.returncode and not messages.is_missing(done.complaint()):
            raise messages.failure(f"cannot delete container {id}", done.complaint())
        # An unfinished create may leave a directory that the runtime does not recognise.
        with suppress(OSError):
            remove_tree(where)

    async def _kill_init(self, handler: Handler, id: str) -> None:
        found = await self.state(handler, id)
        pid = int(found["pid"]) if found else 0
        # The runtime has just compared the start time: it answers 0 for a reused pid.
        with Process.at(pid) as init:
            await init.kill()

    async def exec_sync(
        self,
        handler: Handler,
        id: str,
        process: Mapping[str, Any],
        *,
        owner: int = -1,
        timeout: float | None,
        limit: int,
    ) -> oci_exec.ExecResult:
        """Run a command to its end; see exec.exec_sync."""
        return await oci_exec.exec_sync(
            self._command(handler),
            id,
            process,
            directory=self._exec_dir,
            env=self._env,
            owner=owner,
            timeout=timeout,
            limit=limit,
        )

    async def command(
        self,
        handler: Handler,
        id: str,
        process: Mapping[str, Any],
        streams: Streams,
        output: OutputHandler,
        owner: int = -1,
    ) -> Command:
        """Start an interactive command; see command.py. The caller closes it."""
        command = Command(streams, output, oci_command.pid_file(self._exec_dir), owner)
        try:
            await command.start(self._command(handler), id, process, env=self._env)
        except BaseException:
            await finish(command.close())
            raise
        return command

    async def end_leftovers(self) -> None:
        """Kill the commands that an earlier daemon was running when it died."""
        await leftovers.end(self._exec_dir)

    def _command(self, handler: Handler) -> list[str]:
        return [
            *(str(handler.run_path), f"--root={handler.root}"),
            *(*handler.options, *self._options),
        ]

    async def _run(
        self,
        handler: Handler,
        *arguments: str,
        attempt: str = "",
        stdin: bytes = b"",
        hooks_of: Path | None = None,
    ) -> child.Finished:
        """Run a verb to its end; with an `attempt`, another exit code than 0 is its failure."""
        name = f"{handler.name} {arguments[0]}"
        counted = ("oci", handler.name, arguments[0])
        with ExitStack() as steps:
            step = steps.enter_context(
                Step(name, f"OCI runtime {name}", limit=TOOL_S, program=True, counted=counted)
            )
            if hooks_of is not None:
                steps.enter_context(HookSteps(arguments[0], name, hooks_of, lambda: step.pid))
            done = await child.run(
                [*self._command(handler), *arguments], stdin=stdin, env=self._env, timeout=TOOL_S
            )
            step.failed = done.returncode != 0
        if attempt and done.returncode:
            raise messages.failure(attempt, done.complaint())
        return done


def _state(id: str, answer: bytes) -> dict[str, Any]:
    try:
        found = parse_json(answer)
        if not isinstance(found["status"], str) or not isinstance(found["pid"], int):
            raise ValueError("is no state")  # noqa: TRY301, TRY004
    except (ValueError, KeyError, TypeError) as e:
        text = printable(answer.decode(errors="replace"))
        raise ToolFailed(f"the OCI runtime's state of container {id} is unreadable: {text}") from e
    return dict(found)
