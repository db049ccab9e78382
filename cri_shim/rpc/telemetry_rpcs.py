"""The observing RPCs of RuntimeService: statistics, metrics, events, and lists as streams."""

from collections.abc import AsyncIterator

from cri_shim.containers import query as container_query
from cri_shim.engine import Engine
from cri_shim.pb import api_pb2 as api
from cri_shim.pods import query as pod_query
from cri_shim.pods.metrics import table
from cri_shim.pods.telemetry import Telemetry
from cri_shim.rpc.chunks import parts


class TelemetryRpcs:
    """The base class of RuntimeService with these RPCs."""

    _engine: Engine
    _telemetry: Telemetry

    async def ContainerStats(
        self, request: api.ContainerStatsRequest
    ) -> api.ContainerStatsResponse:
        stats = self._telemetry.containers.one(request.container_id)
        return api.ContainerStatsResponse(stats=stats)

    async def ListContainerStats(
        self, request: api.ListContainerStatsRequest
    ) -> api.ListContainerStatsResponse:
        rows = self._telemetry.containers.listed(request.filter)
        return api.ListContainerStatsResponse(stats=[row async for row in rows])

    async def PodSandboxStats(
        self, request: api.PodSandboxStatsRequest
    ) -> api.PodSandboxStatsResponse:
        stats = await self._telemetry.pods.one(request.pod_sandbox_id)
        return api.PodSandboxStatsResponse(stats=stats)

    async def ListPodSandboxStats(
        self, request: api.ListPodSandboxStatsRequest
    ) -> api.ListPodSandboxStatsResponse:
        rows = self._telemetry.pods.listed(request.filter)
        return api.ListPodSandboxStatsResponse(stats=[row async for row in rows])

    async def ListMetricDescriptors(
        self, request: api.ListMetricDescriptorsRequest
    ) -> api.ListMetricDescriptorsResponse:
        return api.ListMetricDescriptorsResponse(descriptors=table.descriptors())

    async def ListPodSandboxMetrics(
        self, request: api.ListPodSandboxMetricsRequest
    ) -> api.ListPodSandboxMetricsResponse:
        rows = self._telemetry.metrics.listed()
        return api.ListPodSandboxMetricsResponse(pod_metrics=[row async for row in rows])

    async def GetContainerEvents(
        self, request: api.GetEventsRequest
    ) -> AsyncIterator[api.ContainerEventResponse]:
        async with self._telemetry.events.subscribe() as events:
            async for event in events:
                yield event

    async def StreamPodSandboxes(
        self, request: api.StreamPodSandboxesRequest
    ) -> AsyncIterator[api.StreamPodSandboxesResponse]:
        async for part in parts(pod_query.listed(self._engine, request.filter)):
            yield api.StreamPodSandboxesResponse(pod_sandboxes=part)

    async def StreamContainers(
        self, request: api.StreamContainersRequest
    ) -> AsyncIterator[api.StreamContainersResponse]:
        async for part in parts(container_query.listed(self._engine, request.filter)):
            yield api.StreamContainersResponse(containers=part)

    async def StreamContainerStats(
        self, request: api.StreamContainerStatsRequest
    ) -> AsyncIterator[api.StreamContainerStatsResponse]:
        async for part in parts(self._telemetry.containers.listed(request.filter)):
            yield api.StreamContainerStatsResponse(container_stats=part)

    async def StreamPodSandboxStats(
        self, request: api.StreamPodSandboxStatsRequest
    ) -> AsyncIterator[api.StreamPodSandboxStatsResponse]:
        async for part in parts(self._telemetry.pods.listed(request.filter)):
            yield api.StreamPodSandboxStatsResponse(pod_sandbox_stats=part)

    async def StreamPodSandboxMetrics(
        self, request: api.StreamPodSandboxMetricsRequest
    ) -> AsyncIterator[api.StreamPodSandboxMetricsResponse]:
        async for part in parts(self._telemetry.metrics.listed()):
            yield api.StreamPodSandboxMetricsResponse(pod_sandbox_metrics=part)
