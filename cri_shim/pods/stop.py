"""StopPodSandbox: end its containers, give back what it holds of the node; it is NOTREADY.

The kubelet removes a pod long after it has stopped it, and keeps some for their logs: until then a
stopped pod is its record and its directory.
"""

import asyncio

from cri_shim.aio.steps import all_of
from cri_shim.containers import stop as container_stop
from cri_shim.engine import Engine
from cri_shim.errors import NotFound, WrongState
from cri_shim.faults import fault_point
from cri_shim.objects import changed
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import teardown

GRACE_S = 2  # for containers that still run: the kubelet has stopped them before


async def stop(engine: Engine, pod_id: str) -> None:
    """Idempotent. What cannot be given back now is tried again in the background.

    A pod that is unknown, or removed meanwhile, is stopped (CRI).
    """
    try:
        id = engine.objects.pod(pod_id).id
    except NotFound:
        return
    await engine.work.pod_stops.do(id, lambda: _stop(engine, id))


async def _stop(engine: Engine, id: str) -> None:
    pod = engine.objects.find_pod(id)
    if pod is None:
        return
    if pod.phase == state.POD_CREATING:
        raise WrongState(f"pod {id} is being made: it cannot be stopped yet")
    if pod.phase != state.POD_REMOVING:  # from here on no container is created or started in it
        fault_point("pods.stop.intend")
        engine.objects.observe(changed(pod, phase=state.POD_NOTREADY, stopping=True))
    fault_point("pods.stop.containers")
    running = [c for c in engine.objects.containers_of(id) if c.phase != state.CONTAINER_REMOVING]
    await asyncio.gather(
        *(container_stop.stop(engine, container.id, GRACE_S) for container in running)
    )
    await engine.work.retrier.ensure(f"stop pod {id}", lambda: give_back(engine, id))


async def give_back(engine: Engine, id: str) -> None:
    """Give back what the pod holds; nothing runs in it. A removal in hand is waited for."""
    async with engine.objects.lock(id):
        pod = engine.objects.find_pod(id)
        if pod is None:
            return
        await all_of(f"stopping pod {id}", teardown.steps(engine, pod))
        fault_point("pods.stop.commit")
        engine.objects.observe(changed(engine.objects.pod(id), stopping=None))
