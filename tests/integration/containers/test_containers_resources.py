"""Limits of containers as the kernel has them: at creation, changed before and after the start."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument, NotFound, WrongState
from cri_shim.pb import api_pb2 as api
from tests.fixtures import limits as kernel
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.daemon import Daemon, private_daemon

MIB = 1 << 20
PIDS_LIMIT = 77


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with private_daemon(**{"containers.pids_limit": PIDS_LIMIT}) as started:
        yield started


def limits(**fields: Any) -> api.LinuxContainerResources:
    pages = fields.pop("pages", {})
    asked = api.LinuxContainerResources(**fields)
    for size, limit in pages.items():
        asked.hugepage_limits.add(page_size=size, limit=limit)
    return asked


async def create(cri: Cri, pod: str, asked: api.LinuxContainerResources, name: str = "main") -> str:
    config = container_config(["sleep", "60"], name)
    config.linux.resources.CopyFrom(asked)
    return await cri.create(pod, config)


async def update(cri: Cri, container: str, **fields: Any) -> None:
    request = api.UpdateContainerResourcesRequest(container_id=container, linux=limits(**fields))
    await cri.runtime.UpdateContainerResources(request)


async def told(cri: Cri, container: str) -> api.LinuxContainerResources:
    return (await cri.status(container)).resources.linux


async def holds(cri: Cri, container: str, **wanted: Any) -> None:
    """Assert that the kernel limits the container as far as this node can."""
    wanted = kernel.possible(wanted)
    assert kernel.in_force((await cri.info(container))["pid"], wanted) == wanted


def memory(mebibytes: int) -> dict[str, Any]:
    """Without swap."""
    limit = mebibytes * MIB
    return {"memory_limit_in_bytes": limit, "memory_swap_limit_in_bytes": limit}


def of_group(asked: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name != "oom_score_adj"}


BEFORE = kernel.possible(
    {
        "cpu_quota": 50_000,
        "cpu_period": 100_000,
        "cpu_shares": 512,
        "cpuset_cpus": "0-1",
        "memory_limit_in_bytes": 64 * MIB,
        "pages": {"2MB": 4 * MIB},
        "oom_score_adj": 500,
    }
)
AFTER = kernel.possible(
    {
        "cpu_quota": 20_000,
        "cpu_period": 50_000,
        "cpu_shares": 300,
        "cpuset_cpus": "1",
        "memory_limit_in_bytes": 128 * MIB,
        "memory_swap_limit_in_bytes": 192 * MIB,
        "pages": {"2MB": 2 * MIB},
        "oom_score_adj": 600,
    }
)
NO_SWAP = {"memory_swap_limit_in_bytes": 64 * MIB}  # none unless requested


async def test_every_limit_is_in_force_from_the_start(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await create(cri, pod, limits(**BEFORE))
    await cri.start(container)
    await holds(cri, container, **of_group(BEFORE), **NO_SWAP, pids=PIDS_LIMIT)
    assert await cri.sh(container, "cat /proc/1/oom_score_adj") == "500\n"
    assert await told(cri, container) == limits(**BEFORE)


@pytest.mark.parametrize("start_first", [True, False])
async def test_every_limit_can_be_changed_and_the_status_follows(
    cri: Cri, handler: str, start_first: bool
) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await create(cri, pod, limits(**BEFORE))
    steps = [cri.start(container), update(cri, container, **AFTER)]
    for step in steps if start_first else reversed(steps):
        await step
    await holds(cri, container, **of_group(AFTER), pids=PIDS_LIMIT)
    assert await cri.sh(container, "cat /proc/1/oom_score_adj") == "600\n"
    assert await told(cri, container) == limits(**AFTER)


@pytest.mark.parametrize("start_first", [True, False])
async def test_limits_can_be_lifted(cri: Cri, handler: str, start_first: bool) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await create(
        cri, pod, limits(cpu_quota=5_000, cpu_period=50_000, memory_limit_in_bytes=64 * MIB)
    )
    lift = update(cri, container, cpu_quota=-1, memory_limit_in_bytes=-1)
    steps = [cri.start(container), lift]
    for step in steps if start_first else reversed(steps):
        await step
    await holds(cri, container, cpu_quota=-1)
    await holds(cri, container, memory_limit_in_bytes=-1, memory_swap_limit_in_bytes=-1)
    assert (await told(cri, container)).cpu_quota == -1


@pytest.mark.skipif(not kernel.has("hugetlb"), reason="needs a kernel with huge pages")
async def test_a_changed_limit_of_huge_pages_survives_the_next_update(
    cri: Cri, handler: str
) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await create(cri, pod, limits(**BEFORE))
    await cri.start(container)
    await update(cri, container, pages={"2MB": 8 * MIB})
    await update(cri, container, cpu_shares=300)
    await holds(cri, container, pages={"2MB": 8 * MIB})


async def test_an_update_keeps_unnamed_limits(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await create(cri, pod, limits(**BEFORE))
    await cri.start(container)
    await update(cri, container, cpu_period=20_000)
    await holds(cri, container, **{**of_group(BEFORE), **NO_SWAP, "cpu_period": 20_000})
    expected = limits(**BEFORE)
    expected.cpu_period = 20_000
    assert await told(cri, container) == expected


async def test_a_memory_limit_below_the_usage_is_refused_and_changes_nothing(
    cri: Cri, handler: str
) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await create(cri, pod, limits(memory_limit_in_bytes=128 * MIB))
    await cri.start(container)
    await cri.sh(container, "dd if=/dev/zero of=/dev/shm/kept bs=1M count=40 2>&1")
    wanted = r"linux.memory_limit_in_bytes: it uses 4\d{7} bytes now that cannot be dropped, "
    with pytest.raises(WrongState, match=wanted + f"more than the limit of {20 * MIB}"):
        await update(cri, container, memory_limit_in_bytes=20 * MIB, cpu_shares=300)
    await holds(cri, container, **memory(128))
    assert await told(cri, container) == limits(memory_limit_in_bytes=128 * MIB)
    await cri.sh(container, "rm /dev/shm/kept")
    await update(cri, container, memory_limit_in_bytes=20 * MIB)
    await holds(cri, container, **memory(20))


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """/tmp may be in memory, whose pages cannot be dropped."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        yield Path(directory)


async def test_page_cache_does_not_prevent_a_lower_limit(
    cri: Cri, handler: str, on_disk: Path
) -> None:
    pod = await cri.run_pod(handler=handler)
    config = container_config(["sleep", "60"])
    config.linux.resources.memory_limit_in_bytes = 128 * MIB
    config.mounts.add(host_path=str(on_disk), container_path="/disk")
    container = await cri.create(pod, config)
    await cri.start(container)
    await cri.sh(
        container,
        "dd if=/dev/zero of=/disk/file bs=1M count=60 2>&1; sync; cat /disk/file >/dev/null",
    )
    assert kernel.memory_usage((await cri.info(container))["pid"]) > 40 * MIB
    await update(cri, container, memory_limit_in_bytes=32 * MIB)
    await holds(cri, container, **memory(32))


async def test_the_swap_limit_is_the_part_beyond_the_memory_limit(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    asked = limits(memory_limit_in_bytes=64 * MIB, memory_swap_limit_in_bytes=96 * MIB)
    some = await create(cri, pod, asked, "some")
    asked.memory_swap_limit_in_bytes = -1
    endless = await create(cri, pod, asked, "endless")
    for container in (some, endless):
        await cri.start(container)
    await holds(cri, some, **{**memory(64), "memory_swap_limit_in_bytes": 96 * MIB})
    await holds(cri, endless, **{**memory(64), "memory_swap_limit_in_bytes": -1})


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("unified", {"unified": {"../memory.high" if kernel.V2 else "memory.high": "1000000"}}),
        ("cpu_quota", {"cpu_quota": 10}),
        ("cpuset_cpus", {"cpuset_cpus": "1-0"}),
        ("memory_swap_limit_in_bytes", {"memory_swap_limit_in_bytes": MIB}),
        ("hugepage_limits[0].page_size", {"pages": {"3MB": 3 * MIB}}),
        ("oom_score_adj", {"oom_score_adj": 1001}),
    ],
)
async def test_an_impossible_limit_is_refused_by_name(
    cri: Cri, field: str, asked: dict[str, Any]
) -> None:
    pod = await cri.run_pod()
    with pytest.raises(InvalidArgument) as refused:
        await create(cri, pod, limits(**asked))
    assert str(refused.value).startswith(f"config.linux.resources.{field}")
    container = await create(cri, pod, limits())
    for step in (cri.status, cri.start):
        await step(container)
        with pytest.raises(InvalidArgument) as refused:
            await update(cri, container, **asked)
        assert str(refused.value).startswith(f"linux.{field}")
    assert await told(cri, container) == limits()


async def test_zeros_for_unsupported_page_sizes_are_ignored(cri: Cri) -> None:
    pod = await cri.run_pod()
    container = await create(cri, pod, limits(pages={"64KB": 0, "2MB": 0}))
    await cri.start(container)
    await holds(cri, container, pages={"2MB": 0})


async def test_an_ended_or_unknown_container_cannot_be_changed(cri: Cri) -> None:
    pod = await cri.run_pod()
    container = await cri.run(pod, ["true"])
    await cri.exited(container)
    with pytest.raises(WrongState, match="has ended"):
        await update(cri, container, cpu_shares=300)
    with pytest.raises(NotFound):
        await update(cri, "f" * 64, cpu_shares=300)
