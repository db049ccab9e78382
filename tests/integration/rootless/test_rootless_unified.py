"""A v2 tree that was delegated to an ordinary user without the controllers that limit anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri
from tests.fixtures.user import UserDaemon
from tests.fixtures.user_machine import Machine, machine
from tests.fixtures.user_pods import on_the_node

LACKING = "cpu, cpuset, memory, pids"


@pytest.fixture(scope="module")
def node() -> Iterator[Machine]:
    with machine(groups="v2") as made:
        yield made
        assert made.remaining() == {}


async def test_limits_that_are_not_delegated_are_left_out_and_said(
    cri: Cri, daemon: UserDaemon
) -> None:
    status = await cri.runtime.Status(api.StatusRequest())
    (condition,) = [c for c in status.status.conditions if c.type == "ResourceLimits"]
    assert not condition.status
    assert condition.message == f"not delegated to this user, and so not limited: {LACKING}"
    pod = await cri.run_pod(on_the_node(daemon))
    asked = api.LinuxContainerResources(memory_limit_in_bytes=64 << 20, cpu_shares=512)
    container = await cri.run(
        pod, ["sleep", "1000"], linux=api.LinuxContainerConfig(resources=asked)
    )
    assert "memory" not in (await cri.info(container))["runtimeSpec"]["linux"]["resources"]


@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_containers_and_the_daemon_have_groups_beside_each_other(
    cri: Cri, daemon: UserDaemon, handler: str
) -> None:
    own = f"0::/cri-shim-user-{daemon.machine.uid}"
    pod = await cri.run_pod(on_the_node(daemon), handler)
    container = await cri.run(pod, ["sleep", "1000"])
    pid = (await cri.info(container))["pid"]
    assert f"{own}/cri-shim/{container}" in Path(f"/proc/{pid}/cgroup").read_text().split()
    assert f"{own}/cri-shim-daemon" in Path(f"/proc/{daemon.pid}/cgroup").read_text().split()
    await cri.remove_pod(pod)
    left = [path for group in daemon.machine.groups for path in group.rglob(container)]
    assert left == []
