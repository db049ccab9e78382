"""Metrics of containers and pods that really run."""

from collections.abc import Iterable

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config

# Metrics that some kernels or devices do not have.
OPTIONAL = {
    "container_blkio_device_usage_total",
    "container_fs_reads_bytes_total",
    "container_fs_reads_total",
    "container_fs_writes_bytes_total",
    "container_fs_writes_total",
    "container_hugetlb_usage_bytes",
    "container_hugetlb_max_usage_bytes",
    *(
        f"container_pressure_{what}_{how}_seconds_total"
        for what in ("cpu", "memory", "io")
        for how in ("waiting", "stalled")
    ),
}


async def _descriptors(cri: Cri) -> dict[str, api.MetricDescriptor]:
    answer = await cri.runtime.ListMetricDescriptors(api.ListMetricDescriptorsRequest())
    return {descriptor.name: descriptor for descriptor in answer.descriptors}


async def _metrics(cri: Cri) -> list[api.PodSandboxMetrics]:
    answer = await cri.runtime.ListPodSandboxMetrics(api.ListPodSandboxMetricsRequest())
    return list(answer.pod_metrics)


def _all(pod: api.PodSandboxMetrics) -> Iterable[api.Metric]:
    return [*pod.metrics, *(m for c in pod.container_metrics for m in c.metrics)]


def _labels(descriptor: api.MetricDescriptor, metric: api.Metric) -> dict[str, str]:
    return dict(zip(descriptor.label_keys, metric.label_values, strict=True))


async def _limited(cri: Cri) -> tuple[str, str]:
    """A pod and its container, with limits."""
    pod = await cri.run_pod()
    config = container_config(["sleep", "1000"])
    config.linux.resources.cpu_period = 100_000
    config.linux.resources.cpu_quota = 20_000
    config.linux.resources.memory_limit_in_bytes = 64 << 20
    container = await cri.create(pod, config)
    await cri.start(container)
    return pod, container


async def test_every_descriptor_has_a_value_in_the_first_list(cri: Cri) -> None:
    await cri.load_busybox()
    await _limited(cri)
    (pod,) = await _metrics(cri)
    told = {metric.name for metric in _all(pod)}
    assert set(await _descriptors(cri)) - told <= OPTIONAL


async def test_labels_align_with_their_descriptor_and_name_the_object(cri: Cri) -> None:
    await cri.load_busybox()
    pod, container = await _limited(cri)
    descriptors = await _descriptors(cri)
    (told,) = await _metrics(cri)
    (of_container,) = told.container_metrics
    assert (told.pod_sandbox_id, of_container.container_id) == (pod, container)
    of_pod = [_labels(descriptors[metric.name], metric) for metric in told.metrics]
    assert {(label["name"], label["interface"]) for label in of_pod} == {(pod, "eth0")}
    labels = [_labels(descriptors[metric.name], metric) for metric in of_container.metrics]
    assert {(label["name"], label["container"], label["namespace"]) for label in labels} == {
        (container, "main", "test")
    }


async def test_values_are_those_of_the_container(cri: Cri) -> None:
    await cri.load_busybox()
    await _limited(cri)
    (told,) = await _metrics(cri)
    value = {metric.name: metric.value.value for metric in _all(told)}
    assert value["container_processes"] == value["container_threads"] == 1
    assert value["container_file_descriptors"] >= 3
    assert value["container_spec_cpu_quota"] == 20_000
    assert value["container_spec_memory_limit_bytes"] == 64 << 20
    assert 0 < value["container_memory_usage_bytes"] <= value["container_memory_max_usage_bytes"]
    assert value["container_start_time_seconds"] <= value["container_last_seen"]
    assert value["container_fs_limit_bytes"] > 0


async def test_a_socket_of_a_container_is_counted(cri: Cri) -> None:
    await cri.load_busybox()
    container = await cri.run(await cri.run_pod(), ["sh", "-c", "exec nc -l -p 7000"])
    await cri.sh(container, "until grep -q ':1B58' /proc/net/tcp /proc/net/tcp6; do :; done")
    (told,) = await _metrics(cri)
    value = {metric.name: metric.value.value for metric in _all(told)}
    assert value["container_sockets"] == 1


async def test_pods_that_ended_and_containers_that_do_not_run_have_none(cri: Cri) -> None:
    await cri.load_busybox()
    pod, ended = await cri.run_pod(), await cri.run_pod()
    await cri.create(pod, container_config(["sleep", "1000"]))
    await cri.stop_pod(ended)
    (told,) = await _metrics(cri)
    assert told.pod_sandbox_id == pod
    assert list(told.container_metrics) == []


async def test_each_of_many_pods_is_listed_once(cri: Cri) -> None:
    pods = [await cri.run_pod() for _ in range(18)]
    assert [pod.pod_sandbox_id for pod in await _metrics(cri)] == pods
