"""UpdatePodSandboxResources: the pod's new resources after an in-place resize.

They are only recorded: the pod's cgroup belongs to the kubelet, which has already set it.
"""

from cri_shim import lifecycle
from cri_shim.engine import Engine
from cri_shim.errors import WrongState
from cri_shim.objects import changed
from cri_shim.pb import api_pb2 as api


async def update_resources(engine: Engine, request: api.UpdatePodSandboxResourcesRequest) -> None:
    """Record the given resources; the others stay. WrongState unless the pod is ready."""
    pod = engine.objects.pod(request.pod_sandbox_id)
    if not lifecycle.is_ready(pod):
        raise WrongState(f"pod {pod.id} is not ready: its resources cannot be changed")
    await engine.plugins.pod_updating(pod, request)
    pod = engine.objects.pod(pod.id)  # plugins take their time
    config = api.PodSandboxConfig()
    config.CopyFrom(pod.config)
    if request.HasField("overhead"):
        config.linux.overhead.CopyFrom(request.overhead)
    if request.HasField("resources"):
        config.linux.resources.CopyFrom(request.resources)
    await engine.plugins.pod_updated(engine.objects.put(changed(pod, config=config)))
