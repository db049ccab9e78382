"""Pause and unpause: freezes and thaws all processes of a container.

The container stays RUNNING, because the CRI has no other state for it. `paused` is in the record
before the freeze and until the thaw. After a crash, `settle` compares the record with the cgroup. A
frozen process takes no signal, on cgroup v1 not even SIGKILL: a verb that sends one calls `thaw`.
"""

import asyncio

from cri_shim import lifecycle
from cri_shim.aio.offload import finish
from cri_shim.containers.exec import running
from cri_shim.engine import Engine
from cri_shim.errors import CriShimError, TimedOut, WrongState
from cri_shim.faults import fault_point
from cri_shim.objects import changed
from cri_shim.pb import state_pb2 as state

FREEZE_S = 5.0  # for the last process to freeze; measured: some milliseconds
_LOOK_S = 0.002


async def pause(engine: Engine, container_id: str) -> None:
    """Return when all processes are frozen. WrongState if it does not run or is already paused.

    ToolFailed, TimedOut: it could not be frozen, and runs on.
    """
    id = engine.objects.container(container_id).id
    async with engine.objects.lock(id):
        container = running(engine, id)
        if container.paused:
            raise WrongState(f"container {id} is paused already")
        engine.oci.handler(container.handler)  # refuse here if its handler no longer exists
        fault_point("containers.pause.intend")
        engine.objects.put(changed(container, paused=True))
        try:
            fault_point("containers.pause.freeze")
            await freeze(engine, container)
        except BaseException:
            await finish(thaw(engine, id))
            raise


async def freeze(engine: Engine, container: state.ContainerRecord) -> None:
    """Return when every process is frozen: crun does not wait for the last one."""
    await engine.oci.runtime.pause(engine.oci.handler(container.handler), container.id)
    try:
        async with asyncio.timeout(FREEZE_S):
            while not engine.cgroups.frozen(container.cgroups_path):
                running(engine, container.id)
                await asyncio.sleep(_LOOK_S)
    except TimeoutError as e:
        raise TimedOut(
            f"container {container.id} did not freeze within {FREEZE_S:g} s: one of its processes"
            " hangs in the kernel; it runs again"
        ) from e


async def unpause(engine: Engine, container_id: str) -> None:
    """Thaw the container. WrongState if it is not paused."""
    id = engine.objects.container(container_id).id
    async with engine.objects.lock(id):
        container = engine.objects.container(id)
        if not lifecycle.is_paused(container):
            raise WrongState(f"container {id} is not paused")
        engine.oci.handler(container.handler)
        fault_point("containers.unpause.thaw")
        await resume(engine, container)
        fault_point("containers.unpause.commit")
        _thawed(engine, id)


async def resume(engine: Engine, container: state.ContainerRecord) -> None:
    """Thaw all processes; success if they run already, or if none is left."""
    try:
        await engine.oci.runtime.resume(engine.oci.handler(container.handler), container.id)
    except CriShimError:
        if engine.cgroups.frozen(container.cgroups_path):  # else another party has thawed it
            raise


async def thaw(engine: Engine, id: str, *, always: bool = False) -> None:
    """Thaw a container whose record says paused; with `always` also one that others froze.

    It works without the OCI runtime, which may have failed. Idempotent.
    """
    container = engine.objects.find_container(id)
    if container is None or not (container.paused or always):
        return
    fault_point("containers.thaw.write")
    await engine.cgroups.thaw(container.cgroups_path)
    _thawed(engine, id)


async def settle(engine: Engine, id: str) -> None:
    """At start: thaw a container that is recorded as paused and is not, or not wholly, frozen.

    The daemon may have died before the freeze was complete, or just after the thaw.
    """
    async with engine.objects.lock(id):
        container = engine.objects.find_container(id)
        if container is not None and not engine.cgroups.frozen(container.cgroups_path):
            await thaw(engine, id)


def _thawed(engine: Engine, id: str) -> None:
    container = engine.objects.find_container(id)
    if container is not None and container.paused:
        engine.objects.observe(changed(container, paused=None))
