"""Starts the created containers of a pod, each after those that it depends on."""

from cri_shim import lifecycle
from cri_shim.containers import dependencies
from cri_shim.containers import start as container_start
from cri_shim.engine import Engine
from cri_shim.errors import WrongState
from cri_shim.pb import state_pb2 as state


async def start(engine: Engine, pod_id: str) -> None:
    """Start them one after the other. WrongState if the pod is not ready."""
    pod = engine.objects.pod(pod_id)
    if not lifecycle.is_ready(pod):
        raise WrongState(f"pod {pod.id} is not ready: its containers cannot be started")
    for container in dependencies.start_order(engine.objects.containers_of(pod.id)):
        if container.phase == state.CONTAINER_CREATED:
            await container_start.start(engine, container.id)
