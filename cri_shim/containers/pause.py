"""Pause and unpause: every process of a container is frozen where it is, and goes on later.

The container stays RUNNING, as the CRI has no other word for it. `paused` is on record before it is
frozen and until it is thawed, so that whoever finds it so after a crash looks what is true
(`settle`). A frozen process takes no signal, on cgroup v1 not even SIGKILL: `thaw` is for whoever
sends one.
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

FREEZE_S = 5.0  # for the last process to stand still; measured: some milliseconds
_LOOK_S = 0.002


async def pause(engine: Engine, container_id: str) -> None:
    """Return when all of it is frozen. WrongState if it does not run or is paused already.

    ToolFailed, TimedOut: it could not be frozen, and goes on.
    """
    id = engine.objects.container(container_id).id
    async with engine.objects.lock(id):
        container = running(engine, id)
        if container.paused:
            raise WrongState(f"container {id} is paused already")
        engine.handler(container.handler)  # refused here where there is none any more
        fault_point("containers.pause.intend")
        engine.objects.put(changed(container, paused=True))
        try:
            fault_point("containers.pause.freeze")
            await freeze(engine, container)
        except BaseException:
            await finish(thaw(engine, id))
            raise


async def freeze(engine: Engine, container: state.ContainerRecord) -> None:
    """Return when every process stands still: crun does not wait for the last one."""
    await engine.oci.pause(engine.handler(container.handler), container.id)
    try:
        async with asyncio.timeout(FREEZE_S):
            while not engine.cgroups.frozen(container.cgroups_path):
                running(engine, container.id)
                await asyncio.sleep(_LOOK_S)
    except TimeoutError as e:
        raise TimedOut(
            f"container {container.id} did not freeze within {FREEZE_S:g} s: one of its processes"
            " hangs in the kernel; it goes on"
        ) from e


async def unpause(engine: Engine, container_id: str) -> None:
    """Have it go on. WrongState if it is not paused."""
    id = engine.objects.container(container_id).id
    async with engine.objects.lock(id):
        container = engine.objects.container(id)
        if not lifecycle.is_paused(container):
            raise WrongState(f"container {id} is not paused")
        engine.handler(container.handler)
        fault_point("containers.unpause.thaw")
        await resume(engine, container)
        fault_point("containers.unpause.commit")
        _thawed(engine, id)


async def resume(engine: Engine, container: state.ContainerRecord) -> None:
    """Have every process go on; fine if they do already, or there are none any more."""
    try:
        await engine.oci.resume(engine.handler(container.handler), container.id)
    except CriShimError:
        if engine.cgroups.frozen(container.cgroups_path):  # else somebody else has thawed it
            raise


async def thaw(engine: Engine, id: str, *, surely: bool = False) -> None:
    """Thaw a container that is on record as paused; `surely`: or was frozen by somebody else.

    Without the OCI runtime, which may be what failed. Idempotent.
    """
    container = engine.objects.find_container(id)
    if container is None or not (container.paused or surely):
        return
    fault_point("containers.thaw.write")
    await engine.cgroups.thaw(container.cgroups_path)
    _thawed(engine, id)


async def settle(engine: Engine, id: str) -> None:
    """At start: a container on record as paused is, or was about to be, or was just thawed."""
    async with engine.objects.lock(id):
        container = engine.objects.find_container(id)
        if container is not None and not engine.cgroups.frozen(container.cgroups_path):
            await thaw(engine, id)


def _thawed(engine: Engine, id: str) -> None:
    container = engine.objects.find_container(id)
    if container is not None and container.paused:
        engine.objects.observe(changed(container, paused=None))
