"""An unprivileged user's daemon plans a container, and gives it the defaults of the node."""

from collections.abc import Iterator

import pytest

from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.daemon import Setting
from tests.fixtures.plans import planned, renamed
from tests.fixtures.user import UserDaemon, user_daemon
from tests.fixtures.user_machine import Machine
from tests.fixtures.user_pods import on_the_node


@pytest.fixture(scope="module")
def daemon(node: Machine) -> Iterator[UserDaemon]:
    settings: dict[str, Setting] = {
        "containers.additional_devices": ["/dev/fuse:/dev/of-the-node"],
        "containers.default_env": ["NODE=1"],
        "containers.passwd_entry": "true",
        "containers.containerenv": "true",
    }
    with user_daemon(node, **settings) as started:
        yield started


async def test_a_plan_is_the_document_of_the_real_container(cri: Cri, daemon: UserDaemon) -> None:
    pod, config = on_the_node(daemon), container_config(["sleep", "60"])
    async with Client(daemon.socket) as client:
        request = control.PlanRequest(sandbox_config=pod, config=config)
        found = planned(await client.control.Plan(request))
    assert daemon.traces() == []
    pod_id = await cri.run_pod(pod)
    container = await cri.create(pod_id, config)
    real = (await cri.info(container))["runtimeSpec"]
    assert found["document"] == renamed(real, pod_id, container)
    assert "unknown" not in found["origins"].values()


@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_containers_have_the_defaults_of_the_node(
    cri: Cri, daemon: UserDaemon, handler: str
) -> None:
    config = container_config(["sleep", "60"])
    config.linux.security_context.run_as_user.value = 4711
    container = await cri.create(await cri.run_pod(on_the_node(daemon), handler), config)
    await cri.start(container)
    script = "echo $NODE; id -un; test -c /dev/of-the-node && test -e /run/.containerenv && echo ok"
    assert await cri.sh(container, script) == "1\ndefault\nok\n"
