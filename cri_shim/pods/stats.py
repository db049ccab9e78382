"""PodSandboxStats and ListPodSandboxStats: the pod's cgroup, its network, and its containers.

The kubelet names a pod's cgroup after the pod's uid. Without such a cgroup, as with crictl, several
pods may share a parent; then the pod's numbers are the sums of its containers.
"""

import os
import posixpath
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

from cri_shim import lifecycle
from cri_shim.aio.fair import Yielder
from cri_shim.aio.offload import finish, offload
from cri_shim.containers import usage
from cri_shim.containers.rates import Rates
from cri_shim.containers.stats import ContainerGauges
from cri_shim.engine import Engine
from cri_shim.isolation import cgroup_names
from cri_shim.isolation.cgroup_stats import Meter, Usage
from cri_shim.isolation.net_counters import NetCounters
from cri_shim.linux.netdev import Interface
from cri_shim.objects import Record, matches
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.state import rows

DEFAULT_INTERFACE = "eth0"
LOOPBACK = "lo"


class PodGauges:
    """Makes the stats of pods, and keeps the samples and open files that they need."""

    def __init__(self, engine: Engine, containers: ContainerGauges) -> None:
        self._engine = engine
        self._containers = containers
        self._rates = Rates()
        self._net = NetCounters()

    def close(self) -> None:
        self._net.close()

    def changed(self, before: Record | None, after: Record | None) -> None:
        """Follow the objects: close the counters of a pod that is no longer ready."""
        pod = before or after
        if isinstance(pod, state.PodRecord) and not _is_ready(after):
            self._net.forget(pod.id)
            self._rates.forget(pod.id)

    async def listed(
        self, filter: api.PodSandboxStatsFilter
    ) -> AsyncGenerator[api.PodSandboxStats, None]:
        """Yield the ready pods that pass every set field of `filter`."""
        await self.open_networks()
        meter, turns = self._engine.cgroups.meter(), Yielder()
        for pod in self._engine.objects.each_pod():
            if not lifecycle.is_ready(pod) or not pod.id.startswith(filter.id):
                continue
            if matches(pod.config.labels.items(), filter.label_selector.items()):
                found = rows.row("pod", pod.id, self._row, meter, pod)
                if found is not None:
                    yield found
                await turns.taken()

    async def one(self, id: str) -> api.PodSandboxStats:
        """Stats of any pod; one that is not ready has only attributes."""
        pod = self._engine.objects.pod(id)
        if not lifecycle.is_ready(pod):
            return api.PodSandboxStats(attributes=_attributes(pod))
        await self.open_networks()
        return self._row(self._engine.cgroups.meter(), self._engine.objects.pod(pod.id))

    async def open_networks(self) -> None:
        """Open the counters of pods that are new since the last call, all in one thread."""
        wanted = {
            pod.id: Path(pod.network.netns_path)
            for pod in self._engine.objects.pods()
            if lifecycle.is_ready(pod) and pod.network.netns_path
        }
        missing = self._net.missing(wanted)
        if missing:
            await finish(self._open(missing))  # opened files must be kept or closed

    async def _open(self, missing: Mapping[str, Path]) -> None:
        for id, fd in (await offload(self._net.open, missing)).items():
            if _is_ready(self._engine.objects.find_pod(id)):
                self._net.keep(id, fd)
            else:
                os.close(fd)

    def interfaces(self, pod: state.PodRecord) -> list[Interface]:
        """Return the pod's own interfaces except the loopback; none on the node's network."""
        found = self._net.read(pod.id) or []
        return [interface for interface in found if interface.name != LOOPBACK]

    def _row(self, meter: Meter, pod: state.PodRecord) -> api.PodSandboxStats:
        used, rows, processes = self._read(meter, pod)
        rate = self._rates.seen(pod.id, used.at, used.cpu_ns)
        return api.PodSandboxStats(
            attributes=_attributes(pod),
            linux=api.LinuxPodSandboxStats(
                cpu=usage.cpu(used, rate),
                memory=usage.memory(used),
                network=self._network(pod),
                process=api.ProcessUsage(
                    timestamp=used.at, process_count=api.UInt64Value(value=processes)
                ),
                containers=rows,
                io=usage.io(used),
            ),
        )

    def _read(
        self, meter: Meter, pod: state.PodRecord
    ) -> tuple[Usage, list[api.ContainerStats], int]:
        rows, parts, processes = [], [], 0
        for container in self._engine.objects.containers_of(pod.id):
            if not lifecycle.is_running(container):
                continue
            group = cgroup_names.directory(container.cgroups_path)
            parts.append(used := meter.usage(group))
            processes += meter.threads(group) or 0
            if (row := self._containers.row_of(container, used)) is not None:
                rows.append(row)
        own_path = self._engine.cgroups.oci_path(pod.cgroup_parent, pod.id)
        pause = cgroup_names.directory(own_path)
        if pod.HasField("pause"):
            parts.append(meter.usage(pause))
            processes += meter.threads(pause) or 0
        group = posixpath.dirname(pause)
        whole = meter.usage(group) if has_own_group(pod) else None
        if whole is None or not whole.known:
            return usage.total(parts, time.time_ns()), rows, processes
        return whole, rows, meter.threads(group) or processes

    def _network(self, pod: state.PodRecord) -> api.NetworkUsage | None:
        interfaces = {interface.name: _interface(interface) for interface in self.interfaces(pod)}
        if not interfaces:
            return None
        attached = [a.interface for a in pod.network.attachments]
        first = attached[0] if attached else DEFAULT_INTERFACE
        return api.NetworkUsage(
            timestamp=time.time_ns(),
            default_interface=interfaces.pop(first, None),
            interfaces=interfaces.values(),
        )


def has_own_group(pod: state.PodRecord) -> bool:
    """Return whether the cgroup parent is for this pod only: podUID, or ...-podU_I_D.slice."""
    uid = pod.config.metadata.uid
    last = posixpath.basename(pod.cgroup_parent)
    unit = f"-pod{uid.replace('-', '_')}.slice"
    return bool(uid) and (last == f"pod{uid}" or last.endswith(unit))


def _is_ready(record: Record | None) -> bool:
    return isinstance(record, state.PodRecord) and lifecycle.is_ready(record)


def _attributes(pod: state.PodRecord) -> api.PodSandboxAttributes:
    return api.PodSandboxAttributes(
        id=pod.id,
        metadata=pod.config.metadata,
        labels=pod.config.labels,
        annotations=pod.config.annotations,
    )


def _interface(of: Interface) -> api.NetworkInterfaceUsage:
    return api.NetworkInterfaceUsage(
        name=of.name,
        rx_bytes=usage.wrapped(of.rx_bytes),
        rx_errors=usage.wrapped(of.rx_errors),
        tx_bytes=usage.wrapped(of.tx_bytes),
        tx_errors=usage.wrapped(of.tx_errors),
    )
