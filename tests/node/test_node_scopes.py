"""Containers as systemd units: scopes in the slice of their pod, with the requested limits."""

from pathlib import Path

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.spec.scope import GRACE
from tests.fixtures.cri import Cri
from tests.fixtures.systemd import Slice, show, systemctl
from tests.node.pods import pod_in, started

MI = 1 << 20


async def test_a_container_is_a_delegated_scope_in_the_slice_of_its_pod(
    cri: Cri, handler: str, slices: Slice
) -> None:
    scope = await started(cri, await pod_in(cri, slices, handler), slices)
    pid = (await cri.info(scope.container))["pid"]
    assert Path(f"/proc/{pid}/cgroup").read_text().startswith(f"0::{slices.parent}/{scope.name}")
    assert show(scope.name, "Delegate") == "yes"
    assert show(scope.name, "Slice") == slices.name
    await cri.remove(scope.container)
    assert not scope.group.exists()
    assert show(scope.name, "LoadState") == "not-found"


async def test_limits_are_set_in_the_group_and_in_systemd(
    cri: Cri, handler: str, slices: Slice
) -> None:
    resources = {
        "memory_limit_in_bytes": 64 * MI,
        "cpu_quota": 50_000,
        "cpu_period": 100_000,
        "cpu_shares": 512,
        "unified": {"memory.high": str(48 * MI), "memory.min": str(8 * MI)},
    }
    scope = await started(cri, await pod_in(cri, slices, handler), slices, resources=resources)

    def limits() -> dict[str, str]:
        names = ("memory.max", "cpu.max", "memory.high", "memory.min")
        return {name: scope.read(name) for name in names}

    wanted = {
        "memory.max": str(64 * MI),
        "cpu.max": "50000 100000",
        "memory.high": str(48 * MI),
        "memory.min": str(8 * MI),
    }
    assert limits() == wanted
    assert 10 < int(scope.read("cpu.weight")) < 100
    assert show(scope.name, "MemoryMax") == str(64 * MI)
    systemctl("daemon-reload")
    assert limits() == wanted


async def test_an_update_changes_the_group_and_systemd(
    cri: Cri, handler: str, slices: Slice
) -> None:
    resources = {"memory_limit_in_bytes": 64 * MI, "cpu_quota": 50_000, "cpu_period": 100_000}
    scope = await started(cri, await pod_in(cri, slices, handler), slices, resources=resources)
    update = api.LinuxContainerResources(memory_limit_in_bytes=96 * MI, cpu_quota=75_000)
    await cri.runtime.UpdateContainerResources(
        api.UpdateContainerResourcesRequest(container_id=scope.container, linux=update)
    )
    systemctl("daemon-reload")
    assert scope.read("memory.max") == str(96 * MI)
    assert scope.read("cpu.max") == "75000 100000"
    assert show(scope.name, "MemoryMax") == str(96 * MI)


async def test_a_pod_limit_holds_for_its_containers(cri: Cri, handler: str, slices: Slice) -> None:
    slices.limit(MemoryMax=str(32 * MI), TasksMax="50")
    scope = await started(cri, await pod_in(cri, slices, handler), slices)
    assert (slices.group / "memory.max").read_text() == f"{32 * MI}\n"
    assert (slices.group / "pids.max").read_text() == "50\n"
    assert scope.read("memory.max") == "max"


async def test_without_a_limit_a_container_may_have_as_many_processes_as_its_pod(
    cri: Cri, handler: str, slices: Slice
) -> None:
    scope = await started(cri, await pod_in(cri, slices, handler), slices)
    assert scope.read("pids.max") == "max"
    assert show(scope.name, "TasksMax") == "infinity"
    systemctl("daemon-reload")
    assert scope.effective("pids.max") == "max"


async def test_no_swap_is_available_unless_requested(cri: Cri, handler: str, slices: Slice) -> None:
    pod = await pod_in(cri, slices, handler)
    none = await started(cri, pod, slices, "none", resources={"memory_limit_in_bytes": 64 * MI})
    some = await started(
        cri,
        pod,
        slices,
        "some",
        resources={
            "memory_limit_in_bytes": 64 * MI,
            "memory_swap_limit_in_bytes": 96 * MI,
        },
    )
    stats = await cri.runtime.ListContainerStats(api.ListContainerStatsRequest())
    available = {s.attributes.id: s.swap.swap_available_bytes.value for s in stats.stats}
    assert available == {none.container: 0, some.container: 32 * MI}
    systemctl("daemon-reload")
    assert none.effective("memory.swap.max") == "0"


@pytest.mark.parametrize(("grace", "told"), [("7", "7s"), ("", "10s")])
async def test_a_shutdown_waits_for_the_pods_grace_period(
    cri: Cri, handler: str, slices: Slice, grace: str, told: str
) -> None:
    annotations = {GRACE: grace} if grace else {}
    pod = await pod_in(cri, slices, handler)
    scope = await started(cri, pod, slices, annotations=annotations)
    assert show(scope.name, "TimeoutStopUSec") == told
