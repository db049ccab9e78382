"""Updates of existing containers: collected by container, contradictions are errors."""

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.nri.owners import Owners
from cri_shim.nri.updates import Updates
from cri_shim.pb import nri_pb2 as pb


def update(id: str, *, shares: int = 0, cpus: str = "", ignore: bool = False) -> pb.ContainerUpdate:
    found = pb.ContainerUpdate(container_id=id, ignore_failure=ignore)
    if shares:
        found.linux.resources.cpu.shares.value = shares
    found.linux.resources.cpu.cpus = cpus
    return found


def test_updates_of_one_container_are_joined() -> None:
    updates = Updates(Owners())
    updates.add("10-a", [update("c", shares=5)])
    updates.add("20-b", [update("c", cpus="0", ignore=True)])

    [(plugins, found)] = updates.others()
    cpu = found.linux.resources.cpu
    assert (plugins, cpu.shares.value, cpu.cpus) == ("10-a, 20-b", 5, "0")
    assert found.ignore_failure is False


def test_a_contradiction_is_an_error() -> None:
    updates = Updates(Owners())
    updates.add("10-a", [update("c", shares=5)])

    with pytest.raises(ToolFailed, match="20-b and 10-a both set CPUShares of container c"):
        updates.add("20-b", [update("c", shares=6)])


def test_a_contradiction_that_may_fail_changes_nothing() -> None:
    updates = Updates(Owners())
    updates.add("10-a", [update("c", shares=5)])
    updates.add("20-b", [update("c", cpus="1", shares=6, ignore=True)])
    updates.add("30-c", [update("c", cpus="2")])

    [(plugins, found)] = updates.others()
    cpu = found.linux.resources.cpu
    assert (plugins, cpu.shares.value, cpu.cpus) == ("10-a, 30-c", 5, "2")


def test_the_update_of_the_requested_container_changes_the_request() -> None:
    request = pb.UpdateContainerRequest(container=pb.Container(id="c"))
    request.linux_resources.cpu.shares.value = 1
    request.linux_resources.memory.limit.value = 100
    updates = Updates(Owners(), updating=request)

    updates.add("10-a", [update("c", shares=5), update("d", shares=6)])

    assert request.linux_resources.cpu.shares.value == 5
    assert request.linux_resources.memory.limit.value == 100
    assert [found.container_id for _, found in updates.others()] == ["d"]


def test_the_first_eviction_of_a_container_counts() -> None:
    updates = Updates(Owners())
    updates.add("10-a", [], [pb.ContainerEviction(container_id="c")])
    updates.add("20-b", [], [pb.ContainerEviction(container_id="c", reason="late")])

    assert updates.evictions == {"c": "10-a"}
