"""Plans a container of a pod that does not exist: see containers/plan.py."""

from cri_shim.containers import plan as container_plan
from cri_shim.containers import security
from cri_shim.containers.plan import Planned
from cri_shim.engine import Engine
from cri_shim.pb import api_pb2 as api
from cri_shim.pods import draft

ID = "0" * 64  # in the place of the pod's id


async def plan(
    engine: Engine,
    pod: api.PodSandboxConfig,
    config: api.ContainerConfig,
    runtime_handler: str = "",
) -> Planned:
    """Return the plan; the errors are those of RunPodSandbox and CreateContainer.

    The network is not looked at: no field depends on it.
    """
    await security.check_pod(engine, pod, load=False)
    request = api.RunPodSandboxRequest(config=pod, runtime_handler=runtime_handler)
    return await container_plan.plan(engine, draft.pod(engine, request, id=ID), config)
