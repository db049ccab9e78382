"""StartContainer: conmon runs the OCI runtime's `create`, then the daemon its `start`.

After a failed start the container is EXITED with reason StartError and code 128, and its message is
the error.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from cri_shim import lifecycle
from cri_shim.activity import Step
from cri_shim.activity.error_names import with_names
from cri_shim.aio.offload import finish
from cri_shim.containers import attributes, dependencies, exits, launch, sources, streams
from cri_shim.engine import Engine
from cri_shim.errors import CommandNotFound, CriShimError, WrongState
from cri_shim.faults import fault_point
from cri_shim.linux.process_handle import Process
from cri_shim.objects import changed
from cri_shim.oci import bundle
from cri_shim.oci.conmon import Started
from cri_shim.oci.handlers import Handler
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.untrusted import one_line

START_ERROR, START_ERROR_CODE = "StartError", 128

_log = logging.getLogger(__name__)


async def start(
    engine: Engine, container_id: str, first: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Return when the container's program has been executed; WrongState unless it is CREATED.

    `first` runs when the container exists and its program has not begun. The start fails if it
    fails.
    """
    container = engine.objects.container(container_id)
    if first is not None and engine.work.starts.in_flight(container.id):
        now = engine.work.operations.waits_for(container.id)
        raise WrongState(f"container {container.id} is being started already{now}")
    await engine.work.starts.do(
        container.id,
        lambda: _start(engine, container.id, first),
        engine.objects.container_subject(container.id),
    )


async def _start(engine: Engine, id: str, first: Callable[[], Awaitable[None]] | None) -> None:
    async with engine.objects.lock(id):
        container = engine.objects.container(id)
        if container.phase != state.CONTAINER_CREATED:
            now = lifecycle.name(container)
            raise WrongState(f"container {id} is {now}: only a created one can be started")
        pod = engine.objects.pod(container.pod_id)
        if not lifecycle.is_ready(pod):
            raise WrongState(f"pod {pod.id} is not ready: its containers cannot be started")
        dependencies.need(engine, container)
        handler = engine.oci.handler(container.handler)
        fault_point("containers.start.intend")
        container = engine.objects.put(changed(container, phase=state.CONTAINER_STARTING))
        try:
            await _launch(engine, handler, container, first)
        except BaseException as e:
            await finish(_fail(engine, id, e))
            raise


async def _launch(
    engine: Engine,
    handler: Handler,
    container: state.ContainerRecord,
    first: Callable[[], Awaitable[None]] | None,
) -> None:
    releasing: asyncio.Task[None] | None = None
    try:
        try:
            started = await _make(engine, handler, container)
        finally:  # in parallel with the next step: the kernel takes its time to unmount
            work = sources.release(engine, container.id)
            releasing = engine.work.spawn(
                f"unmount the sources of {engine.objects.container_subject(container.id)}", work
            )
        await _run(engine, handler, container.id, started, first)
    finally:
        if releasing is not None:
            with Step("unmount", "the sources of its mounts to be unmounted"):
                await finish(asyncio.wait({releasing}))


async def _make(engine: Engine, handler: Handler, container: state.ContainerRecord) -> Started:
    """Make the container; its process waits for `_run`."""
    fault_point("containers.start.create")
    joined = _join_target(engine, container)
    try:
        with Step("sources", "the sources of its mounts to be opened"):
            await sources.attach(engine, engine.objects.pod(container.pod_id), container)
        engine.cgroups.begin(container.cgroups_path)
        return await launch.create(engine, handler, container)
    except CommandNotFound as e:
        command = _process(engine, container)["args"][0]
        if command in str(e):
            raise
        raise type(e)(f"{e} (its command is {command!r})") from e
    finally:
        if joined is not None:
            os.close(joined)


async def _run(
    engine: Engine,
    handler: Handler,
    id: str,
    started: Started,
    first: Callable[[], Awaitable[None]] | None,
) -> None:
    fault_point("containers.start.record")
    container = engine.objects.put(
        changed(
            engine.objects.container(id),  # read again: a stop may have been recorded
            init=started.init,
            monitor=started.monitor,
            started_at=time.time_ns(),
        )
    )
    engine.oci.exits.watch(id, engine.paths.bundle(id), container.init, container.monitor)
    with Step("command", "the command to be read"):
        await launch.refuse_what_cannot_run(engine, container)
    await attributes.apply(engine, container)
    await engine.plugins.container_starting(engine.objects.container(id))
    if first is not None:
        await first()
    fault_point("containers.start.start")
    streams.give_to_user(engine, container)
    await launch.execute(engine, handler, id)
    fault_point("containers.start.commit")
    current = engine.objects.container(id)
    if current.phase == state.CONTAINER_STARTING:  # otherwise it has already ended
        current = engine.objects.observe(changed(current, phase=state.CONTAINER_RUNNING))
    await engine.plugins.container_started(current)


def _process(engine: Engine, container: state.ContainerRecord) -> dict[str, Any]:
    process: dict[str, Any] = bundle.spec(engine.paths.bundle(container.id))["process"]
    return process


def _join_target(engine: Engine, container: state.ContainerRecord) -> int | None:
    """Keep the pid namespace of a TARGET container open and put it into the OCI document.

    /proc/PID may belong to another process when the OCI runtime opens it. A namespace file that was
    opened while the target verifiably ran cannot.
    """
    options = container.config.linux.security_context.namespace_options
    if options.pid != api.TARGET:
        return None
    target = engine.objects.find_container(options.target_id)
    if target is None or not lifecycle.is_running(target):
        raise WrongState(f"target container {options.target_id} is not running any more")
    fd = os.open(f"/proc/{target.init.pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    with Process.of(target.init) as init:
        gone = init.gone
    if gone:
        os.close(fd)
        raise WrongState(f"target container {options.target_id} is not running any more")
    where = engine.paths.bundle(container.id)
    document = bundle.spec(where)
    for namespace in document["linux"]["namespaces"]:
        if namespace["type"] == "pid":
            namespace["path"] = f"/proc/{os.getpid()}/fd/{fd}"
    bundle.write(where, document)
    return fd


async def _fail(engine: Engine, id: str, error: BaseException) -> None:
    """Record the container as ended, and end its processes in the background."""
    container = engine.objects.container(id)
    ours = isinstance(error, CriShimError)
    text = str(error) if ours else f"{type(error).__name__}: {error}"
    problem = with_names(one_line(text), engine.objects.named)
    engine.oci.exits.unwatch(id)
    if not container.finished_at:
        engine.objects.observe(
            changed(
                container,
                phase=state.CONTAINER_EXITED,
                started_at=container.started_at or time.time_ns(),
                finished_at=time.time_ns(),
                exit_code=START_ERROR_CODE,
                reason=START_ERROR,
                message=problem,
            )
        )
    subject = engine.objects.container_subject(id)
    engine.work.retrier.add(
        f"end the processes of the failed start of {subject}",
        lambda: exits.release_processes(engine, engine.objects.container(id)),
        now=True,
        subject=subject,
    )
