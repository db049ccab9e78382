"""ListPodSandboxMetrics: reads a few pods at a time in a thread, because it counts open files."""

import posixpath
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from cri_shim import lifecycle
from cri_shim.aio.offload import offload
from cri_shim.containers.stats import ContainerGauges
from cri_shim.engine import Engine
from cri_shim.isolation import cgroup_names
from cri_shim.isolation.cgroup_stats import Meter
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods.metrics import facts, samples
from cri_shim.pods.metrics.facts import Facts, FileSystem
from cri_shim.pods.stats import PodGauges
from cri_shim.state import rows

PODS_AT_A_TIME = 16


class Metrics:
    def __init__(self, engine: Engine, pods: PodGauges, containers: ContainerGauges) -> None:
        self._engine = engine
        self._pods = pods
        self._containers = containers

    async def listed(self) -> AsyncGenerator[api.PodSandboxMetrics, None]:
        """Yield every ready pod with its running containers."""
        await self._pods.open_networks()
        meter = self._engine.cgroups.meter()
        batch: list[state.PodRecord] = []
        for pod in self._engine.objects.each_pod():
            if lifecycle.is_ready(pod):
                batch.append(pod)
            if len(batch) == PODS_AT_A_TIME:
                for row in await self._rows(meter, batch):
                    yield row
                batch = []
        for row in await self._rows(meter, batch):
            yield row

    async def _rows(
        self, meter: Meter, pods: Sequence[state.PodRecord]
    ) -> list[api.PodSandboxMetrics]:
        running = [
            container
            for pod in pods
            for container in self._engine.objects.containers_of(pod.id)
            if lifecycle.is_running(container)
        ]
        root = self._engine.images.root
        read, fs = await offload(_read, meter, running, root)
        made = [rows.row("pod", pod.id, self._row, pod, read, fs) for pod in pods]
        return [row for row in made if row is not None]

    def _row(
        self, pod: state.PodRecord, read: "dict[str, Facts]", fs: FileSystem
    ) -> api.PodSandboxMetrics:
        path = self._engine.cgroups.oci_path(pod.cgroup_parent, pod.id)
        group = "/" + posixpath.dirname(cgroup_names.directory(path))
        network = samples.of_network(self._pods.interfaces(pod))
        base = (group, pod.id, "", "", *_pod_labels(pod))
        row = api.PodSandboxMetrics(
            pod_sandbox_id=pod.id, metrics=samples.messages(network, base, time.time_ns())
        )
        for container in self._engine.objects.containers_of(pod.id):
            if (found := read.get(container.id)) is not None:
                row.container_metrics.append(self._container(pod, container, found, fs))
        return row

    def _container(
        self, pod: state.PodRecord, container: state.ContainerRecord, read: Facts, fs: FileSystem
    ) -> api.ContainerMetrics:
        layer = self._containers.layer(container.id)
        written = None if layer is None else layer.usage.used_bytes
        base = (
            "/" + cgroup_names.directory(container.cgroups_path),
            container.id,
            container.image_name,
            container.config.metadata.name,
            *_pod_labels(pod),
        )
        values = samples.of_container(container, read, written, fs)
        return api.ContainerMetrics(
            container_id=container.id, metrics=samples.messages(values, base, read.usage.at)
        )


def _pod_labels(pod: state.PodRecord) -> tuple[str, str]:
    return pod.config.metadata.name, pod.config.metadata.namespace


def _read(
    meter: Meter, containers: Sequence[state.ContainerRecord], root: Path
) -> tuple[dict[str, Facts], FileSystem]:
    found = {container.id: facts.of_container(meter, container) for container in containers}
    known = {id: one for id, one in found.items() if one is not None}
    return known, facts.of_file_system(root)
