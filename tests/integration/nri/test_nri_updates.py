"""Updates and evictions of real containers that plugins ask for."""

from typing import Any

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import nri_pb2 as pb
from tests.fixtures.cri import Cri, container_config
from tests.integration.nri.conftest import Connect

SLEEP = ["sleep", "60"]


def shares(container: str, number: int, *, ignore: bool = False) -> pb.ContainerUpdate:
    update = pb.ContainerUpdate(container_id=container, ignore_failure=ignore)
    update.linux.resources.cpu.shares.value = number
    return update


async def shares_of(cri: Cri, container: str) -> int:
    return int((await cri.status(container)).resources.linux.cpu_shares)


async def test_a_plugin_updates_a_container_at_any_time(
    cri: Cri, connect: Connect, handler: str
) -> None:
    container = await cri.run(await cri.run_pod(handler=handler), SLEEP)
    async with connect() as plugin:
        wanted = shares(container, 300)
        wanted.linux.resources.memory.limit.value = 64 << 20
        wanted.linux.resources.memory.reservation.value = 32 << 20
        wanted.linux.resources.pids.limit = 44
        answer = await plugin.update(update=[wanted, shares("f" * 64, 5)])

        assert [failed.container_id for failed in answer.failed] == ["f" * 64]
        assert "UpdateContainer" not in plugin.methods
    told = (await cri.status(container)).resources.linux
    assert (told.cpu_shares, told.memory_limit_in_bytes) == (300, 64 << 20)
    pid = (await cri.info(container))["pid"]
    groups = await cri.sh(container, "cat /proc/self/cgroup")
    assert pid and groups


async def test_a_new_container_changes_others(cri: Cri, connect: Connect) -> None:
    pod = await cri.run_pod()
    old = await cri.run(pod, SLEEP, "old")
    answer = pb.CreateContainerResponse(update=[shares(old, 222)])
    async with connect(CreateContainer=answer):
        await cri.run(pod, SLEEP, "new")
    assert await shares_of(cri, old) == 222


async def test_an_update_that_fails_fails_the_request_unless_it_may(
    cri: Cri, connect: Connect
) -> None:
    pod = await cri.run_pod()
    async with connect(CreateContainer=pb.CreateContainerResponse(update=[shares("x", 2)])):
        with pytest.raises(
            ToolFailed, match="10-fake cannot update container x: there is no such container"
        ):
            await cri.create(pod, container_config(SLEEP))
    may = pb.CreateContainerResponse(update=[shares("x", 2, ignore=True)])
    async with connect(CreateContainer=may):
        await cri.create(pod, container_config(SLEEP))


async def test_a_plugin_changes_an_update_and_another_container(cri: Cri, connect: Connect) -> None:
    pod = await cri.run_pod()
    one, other = await cri.run(pod, SLEEP, "one"), await cri.run(pod, SLEEP, "other")
    answer = pb.UpdateContainerResponse(update=[shares(one, 555), shares(other, 666)])
    async with connect(UpdateContainer=answer) as plugin:
        limits = api.LinuxContainerResources(cpu_shares=100, cpu_quota=50_000, cpu_period=100_000)
        await cri.runtime.UpdateContainerResources(
            api.UpdateContainerResourcesRequest(container_id=one, linux=limits)
        )
        [asked] = plugin.told("UpdateContainer")

    told: Any = asked
    assert told.linux_resources.cpu.shares.value == 100
    found = (await cri.status(one)).resources.linux
    assert (found.cpu_shares, found.cpu_quota) == (555, 50_000)
    assert await shares_of(cri, other) == 666


async def test_the_end_of_a_container_changes_others(cri: Cri, connect: Connect) -> None:
    pod = await cri.run_pod()
    one, other = await cri.run(pod, SLEEP, "one"), await cri.run(pod, SLEEP, "other")
    async with connect(StopContainer=pb.StopContainerResponse(update=[shares(other, 777)])):
        await cri.stop(one)
        assert await shares_of(cri, other) == 777


async def test_a_plugin_evicts(cri: Cri, connect: Connect) -> None:
    pod = await cri.run_pod()
    one, other = await cri.run(pod, SLEEP, "one"), await cri.run(pod, SLEEP, "other")
    eviction = pb.ContainerEviction(container_id=other, reason="too large")
    async with connect(CreateContainer=pb.CreateContainerResponse(evict=[eviction])) as plugin:
        await plugin.update(evict=[pb.ContainerEviction(container_id=one, reason="old")])
        await cri.exited(one)
        await cri.create(pod, container_config(SLEEP, "new"))
        await cri.exited(other)
        await plugin.until("StopContainer", 2)


async def test_an_ended_container_cannot_be_updated(cri: Cri, connect: Connect) -> None:
    container = await cri.run(await cri.run_pod(), ["true"])
    await cri.exited(container)
    async with connect() as plugin:
        answer = await plugin.update(update=[shares(container, 5)])
    assert [failed.container_id for failed in answer.failed] == [container]


async def test_plugins_that_contradict_each_other_fail_the_request(
    cri: Cri, connect: Connect
) -> None:
    pod = await cri.run_pod()
    old = await cri.run(pod, SLEEP, "old")
    answer = pb.CreateContainerResponse(update=[shares(old, 222)])
    sentence = "NRI plugins 20-fake and 10-fake both set CPUShares of container .*; remove one of"
    async with connect("10", CreateContainer=answer), connect("20", CreateContainer=answer):
        with pytest.raises(ToolFailed, match=sentence):
            await cri.create(pod, container_config(SLEEP, "new"))
    assert await shares_of(cri, old) == 0
