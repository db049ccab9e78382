"""A plan does not ask plugins, and names those that may change the container."""

from cri_shim.pb import control_pb2 as control
from cri_shim.pb import nri_pb2 as pb
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.plans import planned, renamed
from tests.integration.nri.conftest import Connect


async def test_a_plugin_is_named_and_not_asked(cri: Cri, connect: Connect) -> None:
    pod, config = pod_config(cri.daemon), container_config(["sleep", "60"])
    request = control.PlanRequest(sandbox_config=pod, config=config)
    answer = pb.CreateContainerResponse(adjust=pb.ContainerAdjustment(args=["true"]))
    async with connect(CreateContainer=answer) as plugin:
        found = planned(await cri.control.Plan(request))
        assert "CreateContainer" not in plugin.methods
    assert len(found["notes"]) == 1
    assert "NRI plugin 10" in found["notes"][0]
    assert found["document"]["process"]["args"] == ["sleep", "60"]
    assert planned(await cri.control.Plan(request))["notes"] == []


async def test_a_plan_is_the_document_of_the_real_container_with_nri(cri: Cri) -> None:
    pod, config = pod_config(cri.daemon), container_config(["sleep", "60"])
    request = control.PlanRequest(sandbox_config=pod, config=config)
    found = planned(await cri.control.Plan(request))
    pod_id = await cri.run_pod(pod)
    container = await cri.create(pod_id, config)
    real = (await cri.info(container))["runtimeSpec"]
    assert found["document"] == renamed(real, pod_id, container)
