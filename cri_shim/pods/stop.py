"""StopPodSandbox: stops its containers and releases its resources of the node; it is NOTREADY.

The kubelet removes a pod long after it has stopped it, and keeps some pods for their logs. Until
its removal, a stopped pod is only a record and a directory.
"""

import asyncio

from cri_shim.aio.cleanup import release_all
from cri_shim.containers import stop as container_stop
from cri_shim.engine import Engine
from cri_shim.errors import NotFound, WrongState
from cri_shim.faults import fault_point
from cri_shim.objects import changed
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import teardown

GRACE_S = 2  # seconds, for containers that still run: the kubelet has stopped them before


async def stop(engine: Engine, pod_id: str) -> None:
    """Stop the pod. Idempotent. A failed release is retried in the background.

    A pod that is unknown, or is removed meanwhile, counts as stopped (CRI).
    """
    try:
        id = engine.objects.pod(pod_id).id
    except NotFound:
        return
    await engine.work.pod_stops.do(id, lambda: _stop(engine, id), engine.objects.pod_subject(id))


async def _stop(engine: Engine, id: str) -> None:
    pod = engine.objects.find_pod(id)
    if pod is None:
        return
    if pod.phase == state.POD_CREATING:
        now = engine.work.operations.waits_for(id)
        raise WrongState(f"pod {id} is being made: it cannot be stopped yet{now}")
    if pod.phase != state.POD_REMOVING:  # from now on no container is created or started in it
        fault_point("pods.stop.intend")
        engine.objects.observe(changed(pod, phase=state.POD_NOTREADY, stopping=True))
    fault_point("pods.stop.containers")
    running = [c for c in engine.objects.containers_of(id) if c.phase != state.CONTAINER_REMOVING]
    await asyncio.gather(
        *(container_stop.stop(engine, container.id, GRACE_S) for container in running)
    )
    await engine.plugins.pod_stopped(pod)
    subject = engine.objects.pod_subject(id)
    await engine.work.retrier.ensure(f"stop {subject}", lambda: release(engine, id), subject)


async def release(engine: Engine, id: str) -> None:
    """Release the resources of a pod in which nothing runs, after any removal in progress."""
    async with engine.objects.lock(id):
        pod = engine.objects.find_pod(id)
        if pod is None:
            return
        await release_all(f"stopping {engine.objects.pod_subject(id)}", teardown.steps(engine, pod))
        fault_point("pods.stop.commit")
        engine.objects.observe(changed(engine.objects.pod(id), stopping=None))
