"""Streamed lists have the same rows as lists, in parts."""

from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, pod_config


async def _streamed(call: Any, field: str) -> list[Any]:
    return [row for part in [part async for part in call] for row in getattr(part, field)]


async def test_pods_containers_and_images_equal_those_of_the_lists(cri: Cri) -> None:
    await cri.load_busybox()
    pods = [await cri.run_pod() for _ in range(3)]
    await cri.run(pods[0], ["sleep", "1000"])
    runtime = cri.runtime
    listed_pods = (await runtime.ListPodSandbox(api.ListPodSandboxRequest())).items
    listed = (await runtime.ListContainers(api.ListContainersRequest())).containers
    images = (await cri.image.ListImages(api.ListImagesRequest())).images
    stream_pods = runtime.StreamPodSandboxes(api.StreamPodSandboxesRequest())
    assert await _streamed(stream_pods, "pod_sandboxes") == list(listed_pods)
    stream = runtime.StreamContainers(api.StreamContainersRequest())
    assert await _streamed(stream, "containers") == list(listed)
    stream_images = cri.image.StreamImages(api.StreamImagesRequest())
    assert await _streamed(stream_images, "images") == list(images)
    assert (len(listed_pods), len(listed), len(images)) == (3, 1, 1)


async def test_statistics_and_metrics_are_of_the_same_objects(cri: Cri) -> None:
    await cri.load_busybox()
    pod = await cri.run_pod()
    container = await cri.run(pod, ["sleep", "1000"])
    runtime = cri.runtime
    containers = runtime.StreamContainerStats(api.StreamContainerStatsRequest())
    (row,) = await _streamed(containers, "container_stats")
    assert row.attributes.id == container
    pods = runtime.StreamPodSandboxStats(api.StreamPodSandboxStatsRequest())
    (row,) = await _streamed(pods, "pod_sandbox_stats")
    assert row.attributes.id == pod
    metrics = runtime.StreamPodSandboxMetrics(api.StreamPodSandboxMetricsRequest())
    (row,) = await _streamed(metrics, "pod_sandbox_metrics")
    assert row.pod_sandbox_id == pod


async def test_filters_are_those_of_the_lists(cri: Cri) -> None:
    await cri.run_pod()
    wanted = await cri.run_pod(pod_config(cri.daemon, labels={"app": "x"}))
    request = api.StreamPodSandboxesRequest()
    request.filter.label_selector["app"] = "x"
    rows = await _streamed(cri.runtime.StreamPodSandboxes(request), "pod_sandboxes")
    assert [row.id for row in rows] == [wanted]


async def test_rows_with_much_text_come_in_several_parts(cri: Cri) -> None:
    long = {"note": "x" * 200_000}
    for _ in range(12):
        await cri.run_pod(pod_config(cri.daemon, annotations=long))
    call = cri.runtime.StreamPodSandboxes(api.StreamPodSandboxesRequest())
    sizes = [len(part.pod_sandboxes) async for part in call]
    assert sum(sizes) == 12
    assert len(sizes) > 1


@pytest.mark.parametrize("name", ["StreamContainers", "StreamContainerStats"])
async def test_an_empty_list_has_no_part(cri: Cri, name: str) -> None:
    call = getattr(cri.runtime, name)(getattr(api, f"{name}Request")())
    assert [part async for part in call] == []
