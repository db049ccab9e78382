"""A v2 tree that was delegated to a user, with the controllers that v1 does not have."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.isolation.delegated import LIMITING
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri
from tests.fixtures.user import UserDaemon
from tests.fixtures.user_machine import Machine, machine
from tests.fixtures.user_pods import on_the_node


@pytest.fixture(scope="module")
def node() -> Iterator[Machine]:
    with machine(groups="v2") as made:
        yield made
        assert made.remaining() == {}


def controllers(daemon: UserDaemon) -> list[Path]:
    """The cgroup.controllers file of the v2 group; beside v1 it is empty."""
    files = [group / "cgroup.controllers" for group in daemon.machine.groups]
    return [file for file in files if file.exists()]


async def test_limits_that_are_not_delegated_are_left_out_and_logged(
    cri: Cri, daemon: UserDaemon
) -> None:
    status = await cri.runtime.Status(api.StatusRequest())
    (condition,) = [c for c in status.status.conditions if c.type == "ResourceLimits"]
    given = {c for file in controllers(daemon) for c in file.read_text().split()}
    lacking = ", ".join(sorted(LIMITING - given))
    assert condition.message.endswith(lacking)
    assert condition.status is not bool(lacking)
    pod = await cri.run_pod(on_the_node(daemon))
    asked = api.LinuxContainerResources(memory_limit_in_bytes=64 << 20, cpu_shares=512)
    container = await cri.run(
        pod, ["sleep", "1000"], linux=api.LinuxContainerConfig(resources=asked)
    )
    resources = (await cri.info(container))["runtimeSpec"]["linux"]["resources"]
    assert ("memory" in resources) is ("memory" in given)


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
