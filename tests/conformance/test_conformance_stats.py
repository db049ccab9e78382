"""critest container.go and pod.go, the statistics and metrics: ready right after the start."""

from typing import Any

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config

# Of all that is declared, what a kernel, a device or a container without limits may have no value
# for; the names themselves are in tests/unit/pods/test_pods_metrics.py.
WITHOUT_VALUE = (
    "container_hugetlb_",
    "container_pressure_",
    "container_blkio_device_usage_total",
    "container_fs_reads_",
    "container_fs_writes_",
)


async def pod_of(cri: Cri, handler: str) -> str:
    """A pod without options, whose containers share pids."""
    return await cri.run_pod(pod_config(cri.daemon, linux=api.LinuxPodSandboxConfig()), handler)


async def top(cri: Cri, pod: str, name: str = "main", **fields: Any) -> str:
    config = container_config(["top"], name, **{"linux": api.LinuxContainerConfig(), **fields})
    container = await cri.create(pod, config)
    await cri.start(container)
    return container


async def listed(cri: Cri, **filter: Any) -> list[str]:
    """The ids of ListContainerStats; without a filter, the request has none."""
    wanted = api.ContainerStatsFilter(**filter) if filter else None
    request = api.ListContainerStatsRequest(filter=wanted)
    rows = (await cri.runtime.ListContainerStats(request)).stats
    assert all(row.cpu.timestamp and row.memory.timestamp for row in rows)
    return [row.attributes.id for row in rows]


async def test_runtime_should_support_listing_container_stats(cri: Cri, handler: str) -> None:
    container = await top(cri, await pod_of(cri, handler))

    request = api.ContainerStatsRequest(container_id=container)
    stats = (await cri.runtime.ContainerStats(request)).stats

    assert (stats.attributes.id, stats.attributes.metadata.name) == (container, "main")
    assert stats.cpu.timestamp > 0
    assert stats.memory.timestamp > 0


async def test_runtime_should_support_listing_stats_for_started_containers(
    cri: Cri, handler: str
) -> None:
    container = await top(cri, await pod_of(cri, handler))

    assert await listed(cri, id=container) == [container]


async def test_runtime_should_support_listing_stats_for_started_containers_when_filter_is_nil(
    cri: Cri, handler: str
) -> None:
    container = await top(cri, await pod_of(cri, handler))

    assert await listed(cri) == [container]


async def test_runtime_should_support_listing_stats_for_three_containers_when_filter_is_nil(
    cri: Cri, handler: str
) -> None:
    pod = await pod_of(cri, handler)
    containers = [await top(cri, pod, name) for name in ("one", "two", "three")]

    assert await listed(cri) == containers


async def test_runtime_should_support_listing_stats_for_containers_filtered_by_labels(
    cri: Cri, handler: str
) -> None:
    container = await top(cri, await pod_of(cri, handler), labels={"foo": "bar"})

    assert await listed(cri, label_selector={"foo": "bar"}) == [container]
    assert await listed(cri, label_selector={"foo": "baz"}) == []


async def described(cri: Cri) -> dict[str, api.MetricDescriptor]:
    answer = await cri.runtime.ListMetricDescriptors(api.ListMetricDescriptorsRequest())
    return {descriptor.name: descriptor for descriptor in answer.descriptors}


async def test_runtime_should_support_returning_metrics_descriptors(cri: Cri) -> None:
    descriptors = await described(cri)

    assert len(descriptors) == 56
    assert all(name.startswith("container_") for name in descriptors)
    assert all(one.help and one.label_keys for one in descriptors.values())


async def test_runtime_should_support_listing_pod_sandbox_metrics(cri: Cri, handler: str) -> None:
    pod, linux = await pod_of(cri, handler), api.LinuxContainerConfig()
    linux.resources.cpu_period, linux.resources.cpu_quota = 100_000, 20_000
    linux.resources.cpu_shares = 1024
    linux.resources.memory_limit_in_bytes = linux.resources.memory_swap_limit_in_bytes = 64 << 20
    container = await top(cri, pod, linux=linux)
    await cri.sh(container, "for i in $(seq 10); do echo $i >/tmp/$i; done; sync")

    answer = await cri.runtime.ListPodSandboxMetrics(api.ListPodSandboxMetricsRequest())

    (told,) = answer.pod_metrics
    samples = [*told.metrics, *(m for each in told.container_metrics for m in each.metrics)]
    descriptors = await described(cri)
    named = {sample.name for sample in samples}
    assert [n for n in sorted(set(descriptors) - named) if not n.startswith(WITHOUT_VALUE)] == []
    for sample in samples:
        assert len(sample.label_values) == len(descriptors[sample.name].label_keys)
