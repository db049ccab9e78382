"""The kernel kills containers that exceed their memory limit, which is their pod's limit, too."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.isolation.hierarchies import Hierarchies
from tests.chaos import world
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures import systemd
from tests.fixtures.cri import container_config, pod_config
from tests.fixtures.daemon import Daemon
from tests.fixtures.systemd import Slice

LIMIT = 24 << 20
PODS, KILLS = 4, 10  # of each pod
GREEDY = ["dd", "if=/dev/zero", "of=/dev/null", "bs=60M"]
GREEDY_CHILD = f"{' '.join(GREEDY)}; echo survived; while :; do sleep 600; done"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}) as started:
        yield started


@pytest.fixture
def parents(daemon: Daemon) -> Iterator[list[str]]:
    """Cgroups of pods with the limit, as the kubelet makes them with the node's driver."""
    if not systemd.is_running():
        yield [group_of_pod(daemon, number) for number in range(PODS)]
        return
    slices = [Slice(f"cst{number}-pod{number}.slice") for number in range(PODS)]
    for one in slices:
        one.start()
        one.limit(MemoryMax=str(LIMIT))
    yield [one.parent for one in slices]
    for one in slices:
        one.stop()


def group_of_pod(daemon: Daemon, number: int) -> str:
    memory = Hierarchies().holding("memory")
    assert memory is not None
    name = f"{world.cgroup(daemon)}-pod{number}"
    group = memory.group(name)
    group.mkdir(exist_ok=True)
    (group / ("memory.max" if memory.v2 else "memory.limit_in_bytes")).write_text(str(LIMIT))
    return f"/{name}"


async def run(rig: Rig, pod: str, command: list[str], name: str) -> str:
    config = container_config(command, name)
    config.linux.resources.memory_limit_in_bytes = LIMIT
    container = await rig.cri.create(pod, config)
    await rig.cri.start(container)
    return container


async def killed(rig: Rig, pod: str, name: str) -> tuple[int, str]:
    container = await run(rig, pod, GREEDY, name)
    status = await rig.cri.exited(container)
    await rig.cri.remove(container)
    return status.exit_code, status.reason


@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_only_the_oom_killed_container_is_reported_as_such(
    parents: list[str], rig: Rig, handler: str
) -> None:
    async def pod_of_kills(number: int) -> tuple[list[tuple[int, str]], tuple[int, str]]:
        config = pod_config(rig.daemon)
        config.linux.cgroup_parent = parents[number]
        pod = await rig.cri.run_pod(config, handler)
        neighbour = await rig.cri.run(pod, ["sleep", "600"], "neighbour")
        told = [await killed(rig, pod, f"c{n}") for n in range(KILLS)]
        await rig.cri.stop(neighbour, 0)
        status = await rig.cri.exited(neighbour)
        return told, (status.exit_code, status.reason)

    results = await asyncio.gather(*map(pod_of_kills, range(PODS)))
    told = [one for kills, _ in results for one in kills]
    assert told == [(137, "OOMKilled")] * PODS * KILLS
    assert [neighbour for _, neighbour in results] == [(137, "Error")] * PODS


async def test_a_container_that_outlived_an_oom_killed_child_is_not_oom_killed(
    rig: Rig,
) -> None:
    container = await run(rig, await rig.cri.run_pod(), ["sh", "-c", GREEDY_CHILD], "main")
    log = Path((await rig.cri.status(container)).log_path)
    await rig.until(lambda: "survived" in log.read_text())
    await rig.cri.stop(container, 0)
    status = await rig.cri.exited(container)
    assert (status.exit_code, status.reason) == (137, "Error")
