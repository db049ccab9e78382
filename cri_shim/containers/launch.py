"""The OCI runtime's part of a start, with a limit for a runtime that hangs.

A program or a volume may hang the runtime in the kernel, where no signal ends it. Then the runtime
is left behind and the start fails, so that callers that wait for the container continue.
"""

import asyncio
import errno
import logging
from functools import partial
from typing import Any

from cri_shim.aio import own_process
from cri_shim.aio.offload import finish, offload
from cri_shim.containers import attributes, logs, sources
from cri_shim.engine import Engine
from cri_shim.errors import CommandNotExecutable, CriShimError, TimedOut
from cri_shim.linux import executable
from cri_shim.oci import bundle
from cri_shim.oci.conmon import Started
from cri_shim.oci.handlers import Handler
from cri_shim.pb import state_pb2 as state

ENDED_S = 10.0  # for the OCI runtime to end after the container: its hooks may be slow
COMMAND_S = 3.0  # for a volume to show the command; after it the command is executed unchecked

_log = logging.getLogger(__name__)


async def create(engine: Engine, handler: Handler, container: state.ContainerRecord) -> Started:
    """Let the OCI runtime make the container; Unavailable if it hangs on the source of a mount."""
    work = engine.oci.conmon.create(
        handler,
        container.id,
        engine.paths.bundle(container.id),
        log=logs.file_of(engine, container),
        tty=container.config.tty,
        stdin=container.config.stdin,
        stdin_once=container.config.stdin_once,
        limits=engine.defaults.logs,
        context=partial(attributes.inherited, engine.paths.bundle(container.id)),
    )
    creating = asyncio.create_task(work, name=f"create container {container.id}")
    watching = asyncio.create_task(
        sources.unanswered(engine, container.id), name="watch its sources"
    )
    try:
        await asyncio.wait({creating, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not creating.done() and (problem := watching.result()) is not None:
            await engine.oci.conmon.end(container.id)  # the create then ends and undoes itself
            raise problem
        return await creating
    finally:
        await _ended(creating, watching)


async def execute(engine: Engine, handler: Handler, id: str) -> None:
    """Let the OCI runtime execute the program; TimedOut if it hangs after the container's end."""

    def has_ended() -> bool:
        container = engine.objects.find_container(id)
        return container is None or container.finished_at != 0

    starting = asyncio.create_task(
        engine.oci.runtime.start(handler, id, engine.paths.bundle(id)), name=f"start container {id}"
    )
    ending = asyncio.create_task(engine.objects.until(id, has_ended), name=f"end of container {id}")
    try:
        await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({starting}, timeout=ENDED_S)
        if not starting.done():
            raise TimedOut(f"cannot start container {id}: it ended, but its OCI runtime did not")
        return await starting
    finally:
        await _ended(starting, ending)


async def refuse_what_cannot_run(engine: Engine, container: state.ContainerRecord) -> None:
    """Raise CommandNotExecutable for a command that exists but that the kernel will not execute.

    The command is looked up as the created container will find it, below all of its mounts.
    """
    process = bundle.spec(engine.paths.bundle(container.id))["process"]
    path = next((v[5:] for v in reversed(process["env"]) if v.startswith("PATH=")), "")
    command = process["args"][0]
    subject = engine.objects.container_subject(container.id)
    arguments = (f"/proc/{container.init.pid}/root", command, path, process["cwd"])
    try:
        problem = await _problem(arguments)
    except (OSError, CriShimError) as e:
        _log.debug("cannot look at the command of %s: %s", subject, e)
        return
    if problem:
        raise CommandNotExecutable(f"cannot execute {command!r} in {subject}: {problem}")


async def _problem(arguments: tuple[str, str, str, str]) -> str:
    """Run executable.complaint; for a path in a volume, in a process that may hang."""
    try:
        return await offload(executable.complaint, *arguments)
    except OSError as e:
        if e.errno != errno.EXDEV:
            raise
    items = [(*arguments, True)]
    (found,) = await own_process.each(executable.complaint, items, limit=COMMAND_S)
    if isinstance(found, OSError):
        raise found
    return str(found)


async def _ended(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel unfinished tasks and wait for them; their errors were seen, or come too late."""
    for task in tasks:
        task.cancel()
    await finish(asyncio.wait(tasks))
    for task in tasks:
        if not task.cancelled():
            task.exception()
