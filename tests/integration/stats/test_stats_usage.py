"""Statistics of containers and pods that really run, from the kernel's own counters."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cri_shim.errors import NotFound
from cri_shim.isolation.cgroups import Cgroups
from cri_shim.pb import api_pb2 as api
from tests.fixtures import systemd
from tests.fixtures.cri import POLL_S, Cri, container_config, pod_config

MIB = 1 << 20
WRITE = "dd if=/dev/zero of=/data bs=1M count=8 2>/dev/null"


async def _listed(cri: Cri, **filter: object) -> list[api.ContainerStats]:
    wanted = api.ContainerStatsFilter(**filter)  # type: ignore[arg-type]
    request = api.ListContainerStatsRequest(filter=wanted)
    return list((await cri.runtime.ListContainerStats(request)).stats)


async def _one(cri: Cri, id: str) -> api.ContainerStats:
    request = api.ContainerStatsRequest(container_id=id)
    return (await cri.runtime.ContainerStats(request)).stats


async def _pod(cri: Cri, id: str) -> api.PodSandboxStats:
    request = api.PodSandboxStatsRequest(pod_sandbox_id=id)
    return (await cri.runtime.PodSandboxStats(request)).stats


def _open_counters(cri: Cri) -> int:
    """The number of network namespaces whose counters the daemon has open."""
    links = Path(f"/proc/{cri.daemon.pid}/fd").iterdir()
    return sum(link.readlink().match("*/net/dev") for link in links)


async def test_a_started_container_has_statistics_at_once(cri: Cri) -> None:
    await cri.load_busybox()
    config = container_config(["sleep", "1000"], labels={"a": "b"}, annotations={"c": "d"})
    container = await cri.create(await cri.run_pod(), config)
    await cri.start(container)
    stats = await _one(cri, container)
    assert stats.attributes.id == container
    assert stats.attributes.metadata.name == "main"
    assert (stats.attributes.labels["a"], stats.attributes.annotations["c"]) == ("b", "d")
    assert stats.cpu.timestamp > 0
    assert stats.cpu.usage_core_nano_seconds.value > 0
    assert stats.memory.timestamp > 0
    known = {field.name for field, _ in stats.memory.ListFields()}  # the kernel counts a bit late
    assert known >= {"working_set_bytes", "usage_bytes", "rss_bytes"}
    assert known >= {"page_faults", "major_page_faults"}
    assert stats.writable_layer.timestamp > 0
    assert stats.writable_layer.HasField("used_bytes")


async def test_memory_usage_has_its_limit(cri: Cri) -> None:
    await cri.load_busybox()
    config = container_config(["sleep", "1000"])
    config.linux.resources.memory_limit_in_bytes = 64 * MIB
    container = await cri.create(await cri.run_pod(), config)
    await cri.start(container)
    await cri.sh(container, WRITE)
    memory = (await _one(cri, container)).memory
    available = memory.available_bytes.value + memory.working_set_bytes.value
    assert available == 64 * MIB
    assert memory.usage_bytes.value >= memory.working_set_bytes.value


async def test_written_bytes_are_in_the_usage_of_the_writable_layer(cri: Cri) -> None:
    await cri.load_busybox()
    container = await cri.create(await cri.run_pod(), container_config(["sleep", "1000"]))
    await cri.start(container)
    await cri.sh(container, WRITE)
    layer = (await _one(cri, container)).writable_layer
    images = await cri.image.ImageFsInfo(api.ImageFsInfoRequest())
    assert layer.used_bytes.value >= 8 * MIB
    assert layer.inodes_used.value >= 1
    assert layer.fs_id.mountpoint == images.container_filesystems[0].fs_id.mountpoint


async def test_the_rate_is_known_from_the_second_look_on(cri: Cri) -> None:
    await cri.load_busybox()
    container = await cri.run(await cri.run_pod(), ["sh", "-c", "while :; do :; done"])
    assert not (await _one(cri, container)).cpu.HasField("usage_nano_cores")
    async with asyncio.timeout(60):
        while not (await _one(cri, container)).cpu.HasField("usage_nano_cores"):  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
    assert (await _one(cri, container)).cpu.usage_nano_cores.value > 10_000_000


async def test_timestamps_increase_between_two_lists(cri: Cri) -> None:
    await cri.load_busybox()
    await cri.run(await cri.run_pod(), ["sleep", "1000"])
    (first,), (second,) = await _listed(cri), await _listed(cri)
    assert second.cpu.timestamp > first.cpu.timestamp
    assert second.memory.timestamp > first.memory.timestamp


async def test_filters_are_all_required(cri: Cri) -> None:
    await cri.load_busybox()
    pod, other = await cri.run_pod(), await cri.run_pod()
    one = await cri.run(pod, ["sleep", "1000"], "one", labels={"tier": "web"})
    two = await cri.run(pod, ["sleep", "1000"], "two")
    await cri.run(other, ["sleep", "1000"], "three", labels={"tier": "web"})

    async def ids(**filter: object) -> set[str]:
        return {stats.attributes.id for stats in await _listed(cri, **filter)}

    assert len(await ids()) == 3
    assert await ids(id=one) == {one}
    assert await ids(pod_sandbox_id=pod) == {one, two}
    assert await ids(pod_sandbox_id=pod, label_selector={"tier": "web"}) == {one}
    assert await ids(id=two, label_selector={"tier": "web"}) == set()
    assert await ids(label_selector={"tier": "none"}) == set()


async def test_only_running_containers_are_listed(cri: Cri) -> None:
    await cri.load_busybox()
    pod = await cri.run_pod()
    await cri.create(pod, container_config(["sleep", "1000"], "created"))
    ended = await cri.run(pod, ["true"], "ended")
    await cri.exited(ended)
    running = await cri.run(pod, ["sleep", "1000"], "running")
    assert [stats.attributes.id for stats in await _listed(cri)] == [running]
    still = await _one(cri, ended)
    assert still.attributes.id == ended
    assert not still.HasField("cpu")
    assert still.HasField("writable_layer")


async def test_stats_of_an_unknown_object_are_not_found(cri: Cri) -> None:
    with pytest.raises(NotFound):
        await _one(cri, "0" * 64)
    with pytest.raises(NotFound):
        await _pod(cri, "0" * 64)


async def test_a_pod_has_its_containers_its_network_and_its_sums(cri: Cri) -> None:
    await cri.load_busybox()
    config = pod_config(cri.daemon, labels={"app": "x"})
    pod = await cri.run_pod(config)
    containers = {await cri.run(pod, ["sleep", "1000"], name) for name in ("one", "two")}
    stats = await _pod(cri, pod)
    assert stats.attributes.metadata.name == config.metadata.name
    assert stats.attributes.labels["app"] == "x"
    linux = stats.linux
    assert {c.attributes.id for c in linux.containers} == containers
    parts = [c.memory.usage_bytes.value for c in linux.containers]
    assert linux.memory.usage_bytes.value == sum(parts)
    assert linux.cpu.usage_core_nano_seconds.value > 0
    assert linux.process.process_count.value == 2
    assert linux.network.default_interface.name == "eth0"
    assert [interface.name for interface in linux.network.interfaces] == ["eth0"]


async def test_the_network_counters_move_with_traffic(cri: Cri) -> None:
    await cri.load_busybox()
    pod = await cri.run_pod()
    container = await cri.run(pod, ["sleep", "1000"])
    before = (await _pod(cri, pod)).linux.network.default_interface
    gateway = cri.daemon.subnet.removesuffix("0/24") + "1"
    await cri.sh(container, f"ping -c 3 -i 0.1 {gateway}")
    after = (await _pod(cri, pod)).linux.network.default_interface
    assert after.tx_bytes.value >= before.tx_bytes.value + 3 * 64
    assert after.rx_bytes.value >= before.rx_bytes.value + 3 * 64
    assert after.HasField("rx_errors")
    assert after.HasField("tx_errors")


async def test_a_pod_without_containers_has_network_statistics(cri: Cri) -> None:
    pod = await cri.run_pod()
    linux = (await _pod(cri, pod)).linux
    assert linux.network.default_interface.name == "eth0"
    assert linux.process.process_count.value == 0


async def test_a_pod_of_the_nodes_network_has_no_network_statistics(cri: Cri) -> None:
    config = pod_config(cri.daemon)
    config.linux.security_context.namespace_options.network = api.NODE
    config.hostname = ""
    pod = await cri.run_pod(config)
    assert not (await _pod(cri, pod)).linux.HasField("network")


@pytest.fixture
async def parent() -> AsyncIterator[str]:
    """The group of a pod as the kubelet makes one, by the driver of the node; gone afterwards."""
    if systemd.is_running():
        slices = systemd.Slice(f"cst{os.getpid()}-pod1.slice")
        slices.start()
        yield slices.parent
        slices.stop()
    else:
        path = f"/cri-shim-test-{os.getpid()}"
        yield f"{path}/pod1"
        await Cgroups("cgroupfs").remove(path)


async def test_a_pod_with_a_group_of_its_own_is_read_there(parent: str, cri: Cri) -> None:
    await cri.load_busybox()
    config = pod_config(cri.daemon)
    config.linux.cgroup_parent = parent
    pod = await cri.run_pod(config)
    await cri.run(pod, ["sleep", "1000"])
    linux = (await _pod(cri, pod)).linux
    (container,) = linux.containers
    of_pod, of_container = linux.cpu.usage_core_nano_seconds, container.cpu.usage_core_nano_seconds
    assert of_pod.value >= of_container.value  # and memory may have shrunk in between
    assert linux.process.process_count.value == 1


async def test_a_stopped_pod_is_not_listed_and_holds_no_network_namespace(cri: Cri) -> None:
    pod = await cri.run_pod()
    request = api.ListPodSandboxStatsRequest()
    listed = (await cri.runtime.ListPodSandboxStats(request)).stats
    assert [stats.attributes.id for stats in listed] == [pod]
    held = _open_counters(cri)
    await cri.stop_pod(pod)
    assert list((await cri.runtime.ListPodSandboxStats(request)).stats) == []
    assert not (await _pod(cri, pod)).HasField("linux")
    assert (held, _open_counters(cri)) == (1, 0)


async def test_a_pods_filters_are_all_required(cri: Cri) -> None:
    one = await cri.run_pod(pod_config(cri.daemon, labels={"app": "x"}))
    two = await cri.run_pod()

    async def ids(**filter: object) -> list[str]:
        wanted = api.PodSandboxStatsFilter(**filter)  # type: ignore[arg-type]
        request = api.ListPodSandboxStatsRequest(filter=wanted)
        answer = await cri.runtime.ListPodSandboxStats(request)
        return [stats.attributes.id for stats in answer.stats]

    assert await ids() == [one, two]
    assert await ids(label_selector={"app": "x"}) == [one]
    assert await ids(id=two, label_selector={"app": "x"}) == []


async def test_new_sums_of_a_pod_are_kept(cri: Cri) -> None:
    pod = await cri.run_pod()
    request = api.UpdatePodSandboxResourcesRequest(pod_sandbox_id=pod)
    request.resources.cpu_shares = 512
    request.overhead.memory_limit_in_bytes = 4096
    await cri.runtime.UpdatePodSandboxResources(request)
    only = api.UpdatePodSandboxResourcesRequest(pod_sandbox_id=pod)
    only.resources.cpu_shares = 700
    await cri.runtime.UpdatePodSandboxResources(only)
    info = await cri.pod_info(pod)
    assert info["resources"] == {"cpuShares": "700"}
    assert info["overhead"] == {"memoryLimitInBytes": "4096"}
