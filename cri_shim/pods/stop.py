"""StopPodSandbox: end its containers, give its addresses back; then it is NOTREADY."""

import asyncio

from cri_shim.aio.steps import all_of
from cri_shim.containers import stop as container_stop
from cri_shim.engine import Engine
from cri_shim.errors import NotFound
from cri_shim.faults import fault_point
from cri_shim.pb import state_pb2 as state
from cri_shim.registry import changed

GRACE_S = 2  # for containers that still run: the kubelet has stopped them before


async def stop(on: Engine, pod_id: str) -> None:
    """Idempotent, also after a stop that half failed. An unknown id is success (CRI)."""
    try:
        id = on.registry.pod(pod_id).id
    except NotFound:
        return
    await on.pod_stops.do(id, lambda: _stop(on, id))


async def _stop(on: Engine, id: str) -> None:
    pod = on.registry.pod(id)
    if pod.phase == state.POD_READY:  # from here on no container is created or started in it
        fault_point("pods.stop.intend")
        on.registry.observe(changed(pod, phase=state.POD_NOTREADY))
    fault_point("pods.stop.containers")
    running = [c for c in on.registry.containers_of(id) if c.phase != state.CONTAINER_REMOVING]
    await asyncio.gather(*(container_stop.stop(on, container.id, GRACE_S) for container in running))
    await all_of(f"stopping pod {id}", [("network", lambda: detach(on, id))])


async def detach(on: Engine, id: str) -> None:
    """DEL on every network the pod may be attached to, once; the record tells when it is done."""
    pod = on.registry.find_pod(id)
    if pod is None or not pod.network.attachments:
        return
    fault_point("pods.stop.network")
    await on.network.detach(pod)
    fault_point("pods.stop.network_record")
    pod = on.registry.pod(id)
    network = state.PodNetwork()
    network.CopyFrom(pod.network)
    del network.attachments[:]
    on.registry.observe(changed(pod, network=network))
