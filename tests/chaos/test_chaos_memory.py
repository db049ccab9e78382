"""Containers that the kernel kills for want of memory, their limit being their pod's as well."""

import asyncio
from collections.abc import Iterator

import pytest

from cri_shim.isolation.hierarchies import Hierarchies
from tests.chaos import world
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.cri import container_config, pod_config
from tests.fixtures.daemon import Daemon

LIMIT = 24 << 20
PODS, KILLS = 4, 10  # of each pod
GREEDY = ["dd", "if=/dev/zero", "of=/dev/null", "bs=60M"]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}) as started:
        yield started


def parent(daemon: Daemon, number: int) -> str:
    """A pod's group as the kubelet makes it, with the limit."""
    memory = Hierarchies().holding("memory")
    assert memory is not None
    name = f"{world.cgroup(daemon)}-pod{number}"
    group = memory.group(name)
    group.mkdir(exist_ok=True)
    (group / ("memory.max" if memory.v2 else "memory.limit_in_bytes")).write_text(str(LIMIT))
    return f"/{name}"


async def killed(rig: Rig, pod: str, name: str) -> tuple[int, str]:
    config = container_config(GREEDY, name)
    config.linux.resources.memory_limit_in_bytes = LIMIT
    container = await rig.cri.create(pod, config)
    await rig.cri.start(container)
    status = await rig.cri.exited(container)
    await rig.cri.remove(container)
    return status.exit_code, status.reason


@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_every_container_killed_for_memory_is_told_so_and_its_neighbour_is_not(
    rig: Rig, handler: str
) -> None:
    async def pod_of_kills(number: int) -> tuple[list[tuple[int, str]], tuple[int, str]]:
        config = pod_config(rig.daemon)
        config.linux.cgroup_parent = parent(rig.daemon, number)
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
