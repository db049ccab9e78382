"""RemoveContainer: removes every trace of a container, step by step.

The record stays (phase REMOVING) until every step has succeeded; a background task retries.
"""

import logging
from pathlib import Path

from cri_shim import activity, lifecycle
from cri_shim.aio.cleanup import Step, release_all
from cri_shim.aio.offload import offload
from cri_shim.containers import dependencies, exits, pause, sources, stop, volumes
from cri_shim.engine import Engine
from cri_shim.errors import NotFound, ToolFailed, WrongState
from cri_shim.faults import fault_point
from cri_shim.linux.mounts import unmount
from cri_shim.linux.process_handle import Process
from cri_shim.objects import changed
from cri_shim.oci.exits import read
from cri_shim.pb import state_pb2 as state
from cri_shim.store import deletion

KILL_WAIT_S = 10.0  # for a process to end after SIGKILL
MONITOR_WAIT_S = 2.0  # for conmon to write the exit and end, before it is killed as well

_log = logging.getLogger(__name__)


async def remove(engine: Engine, container_id: str, *, force: bool = True) -> None:
    """End the container if it runs, and remove it. An unknown id is success, as the CRI says.

    Without `force`: WrongState if it runs, ContainerInUse if others depend on it.
    """
    try:
        container = engine.objects.container(container_id)
    except NotFound:
        return
    id = container.id
    if not force:
        if lifecycle.has_process(container) or engine.work.starts.in_flight(id):
            raise WrongState(f"container {id} is running: stop it first, or force the removal")
        dependencies.release(engine, container)
    if engine.work.starts.in_flight(id):
        await stop.stop(engine, id, 0)
    await engine.work.removals.do(
        id, lambda: _remove(engine, id), engine.objects.container_subject(id)
    )


async def abandon(engine: Engine, id: str) -> None:
    """Undo a failed create; steps that fail now are retried in the background."""
    try:
        await _remove(engine, id)
    except Exception as e:
        _log.error("%s", e)


async def _remove(engine: Engine, id: str) -> None:
    subject = engine.objects.container_subject(id)
    await engine.work.retrier.ensure(f"remove {subject}", lambda: release(engine, id), subject)


async def release(engine: Engine, id: str) -> None:
    """Remove the container; can be called again at any point."""
    async with engine.objects.lock(id):
        container = engine.objects.find_container(id)
        if container is None:
            return
        if container.phase != state.CONTAINER_REMOVING:
            fault_point("containers.remove.intend")
            container = engine.objects.observe(changed(container, phase=state.CONTAINER_REMOVING))
        fault_point("containers.remove.end")
        await end(engine, container)
        await leave_nothing(engine, container)
        await engine.plugins.container_removed(container)
        fault_point("containers.remove.forget")
        engine.objects.forget(container)
    engine.images.collect()


async def leave_nothing(engine: Engine, container: state.ContainerRecord) -> None:
    """Run only the removal steps; the container's init has ended or has no record."""
    await release_all(
        f"removing {engine.objects.container_subject(container.id)}", _steps(engine, container)
    )


async def end(engine: Engine, container: state.ContainerRecord) -> None:
    """Kill its init and wait a bounded time; conmon then writes the exit and ends by itself."""
    if not lifecycle.has_process(container):
        return
    await pause.thaw(engine, container.id, always=True)
    with (
        Process.of(container.init) as init,
        activity.Step("kill", "its process to die", limit=KILL_WAIT_S),
    ):
        if not await init.kill(KILL_WAIT_S):
            raise ToolFailed(
                f"{engine.objects.container_subject(container.id)}: process {init.pid} still lives"
                f" {KILL_WAIT_S:g} s after SIGKILL; it hangs in the kernel"
            )
    with Process.of(container.monitor) as monitor, activity.Step("conmon", "its conmon to end"):
        if not await monitor.end(MONITOR_WAIT_S):
            _log.warning(
                "%s: its conmon had to be killed", engine.objects.container_subject(container.id)
            )
    if (exit := read(container.id, engine.paths.bundle(container.id))) is not None:
        exits.ended(engine, exit)  # for callers that wait; the watch may not have reported it yet


def _steps(engine: Engine, container: state.ContainerRecord) -> list[Step]:
    id = container.id
    return [
        ("processes", lambda: exits.release_processes(engine, container)),
        ("exit watch", lambda: engine.oci.exits.unwatch(id)),
        ("sources of mounts", lambda: _release_sources(engine, id)),
        ("image volumes", lambda: volumes.release(engine.paths.volumes(id))),
        ("default mounts", lambda: _unmount(engine.paths.default_mounts(id))),
        ("root file system", lambda: _remove_rootfs(engine, id)),
        ("bundle", lambda: _delete(engine, id)),
    ]


async def _unmount(default_mounts: Path) -> None:
    fault_point("containers.remove.default_mounts")
    await offload(unmount, default_mounts)


async def _release_sources(engine: Engine, id: str) -> None:
    fault_point("containers.remove.sources")
    await sources.release(engine, id)


async def _remove_rootfs(engine: Engine, id: str) -> None:
    fault_point("containers.remove.rootfs")
    await engine.images.rootfs.remove(id, engine.paths.rootfs(id))


async def _delete(engine: Engine, id: str) -> None:
    fault_point("containers.remove.bundle")
    # Mounts there must neither be deleted with the bundle nor moved by its deletion.
    for place in (engine.paths.sources(id), engine.paths.volumes(id)):
        if place.exists():
            raise ToolFailed(f"volumes may still be mounted below {place}")
    await deletion.delete(engine.paths.bundle(id))
