"""Control groups that were delegated to a user: its containers are limited by them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.isolation.hierarchies import Hierarchies
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri
from tests.fixtures.user import UserDaemon, alive
from tests.fixtures.user_machine import Machine, machine
from tests.fixtures.user_pods import on_the_node

MIB = 1 << 20


@pytest.fixture(scope="module")
def node() -> Iterator[Machine]:
    with machine(groups="own") as made:
        yield made
        assert made.remaining() == {}


def memory_limit(daemon: UserDaemon, container: str) -> int:
    """A value of the container's group, in bytes."""
    tree = Hierarchies().holding("memory")
    assert tree is not None
    group = tree.group(f"cri-shim-user-{daemon.machine.uid}/cri-shim/{container}")
    return int((group / ("memory.max" if tree.v2 else "memory.limit_in_bytes")).read_text())


@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_a_container_is_limited_and_its_limits_are_changed(
    cri: Cri, daemon: UserDaemon, handler: str
) -> None:
    pod = await cri.run_pod(on_the_node(daemon), handler)
    asked = api.LinuxContainerResources(memory_limit_in_bytes=64 * MIB, cpu_shares=512)
    linux = api.LinuxContainerConfig(resources=asked)
    container = await cri.run(pod, ["sleep", "1000"], linux=linux)
    assert memory_limit(daemon, container) == 64 * MIB
    more = api.LinuxContainerResources(memory_limit_in_bytes=96 * MIB)
    request = api.UpdateContainerResourcesRequest(container_id=container, linux=more)
    await cri.runtime.UpdateContainerResources(request)
    assert memory_limit(daemon, container) == 96 * MIB


async def test_the_status_reports_working_limits(cri: Cri) -> None:
    status = await cri.runtime.Status(api.StatusRequest())
    (condition,) = [c for c in status.status.conditions if c.type == "ResourceLimits"]
    assert (condition.status, condition.message) == (True, "")


async def test_the_groups_of_a_pod_are_below_the_users_for_any_parent(
    cri: Cri, daemon: UserDaemon
) -> None:
    config = on_the_node(daemon)
    config.linux.cgroup_parent = "/kubepods/podx"
    pod = await cri.run_pod(config)
    container = await cri.run(pod, ["sleep", "1000"])
    pid = (await cri.info(container))["pid"]
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    own = f"/cri-shim-user-{daemon.machine.uid}/kubepods/podx/{container}"
    assert {line.split(":", 2)[2] for line in lines} - {"/"} == {own}  # "/": a tree not mounted


async def test_children_in_the_nodes_pid_namespace_end_with_their_container(
    cri: Cri, daemon: UserDaemon
) -> None:
    pod = await cri.run_pod(on_the_node(daemon, pid=api.NODE))
    options = api.NamespaceOption(network=api.NODE, pid=api.NODE)
    context = api.LinuxContainerSecurityContext(namespace_options=options)
    script = "setsid sleep 1000 & echo $! >/tmp/child; exec sleep 1000"
    linux = api.LinuxContainerConfig(security_context=context)
    container = await cri.run(pod, ["sh", "-c", script], linux=linux)
    wait = "until [ -s /tmp/child ]; do usleep 1000; done; cat /tmp/child"
    child = int(await cri.sh(container, wait))
    await cri.stop(container)
    await cri.remove(container)
    assert not alive(child)


async def test_no_group_of_a_pod_is_left(cri: Cri, daemon: UserDaemon) -> None:
    pod = await cri.run_pod(on_the_node(daemon))
    container = await cri.run(pod, ["sleep", "1000"])
    await cri.remove_pod(pod)
    below = [path for group in daemon.machine.groups for path in group.rglob(container)]
    assert below == []
