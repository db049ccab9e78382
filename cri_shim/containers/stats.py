"""ContainerStats and ListContainerStats: reads a few small files of each container's cgroup.

Nothing is walked and nothing waits. The size of a writable layer is the last measured one (see
store/mounting/writable.py). All else is read on request, on the loop and in slices.
"""

from collections.abc import AsyncGenerator

from cri_shim import lifecycle
from cri_shim.aio.fair import Yielder
from cri_shim.containers import usage
from cri_shim.containers.rates import Rates
from cri_shim.engine import Engine
from cri_shim.isolation import cgroup_names
from cri_shim.isolation.cgroup_stats import Meter, Usage
from cri_shim.objects import Record, matches
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.state import rows
from cri_shim.store.mounting.writable import Measured


class ContainerGauges:
    """Makes the stats of containers, and keeps the samples that rates need."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rates = Rates()
        self._layers = engine.images.rootfs.writable
        # Equal to the mountpoint of ImageFsInfo: the kubelet compares the two.
        self._mountpoint = str(engine.images.root.resolve())

    def changed(self, _before: Record | None, after: Record | None) -> None:
        """Follow the objects: forget the samples of a removed container."""
        if after is None and isinstance(_before, state.ContainerRecord):
            self._rates.forget(_before.id)

    async def listed(
        self, filter: api.ContainerStatsFilter
    ) -> AsyncGenerator[api.ContainerStats, None]:
        """Yield the running containers that pass every set field of `filter`."""
        meter, turns = self._engine.cgroups.meter(), Yielder()
        for container in self._engine.objects.each_container():
            if not _passes(container, filter):
                continue
            found = rows.row("container", container.id, self.row, meter, container)
            if found is not None:
                yield found
            await turns.taken()

    def one(self, id: str) -> api.ContainerStats:
        """Stats of any container; a stopped one has only attributes and its writable layer."""
        container = self._engine.objects.container(id)
        row = self.row(self._engine.cgroups.meter(), container)
        return row if row is not None else self._of_stopped(container)

    def row(self, meter: Meter, container: state.ContainerRecord) -> api.ContainerStats | None:
        """Return None for a container that does not run or has just ended."""
        if not lifecycle.is_running(container):
            return None
        return self.row_of(container, meter.usage(cgroup_names.directory(container.cgroups_path)))

    def row_of(self, container: state.ContainerRecord, used: Usage) -> api.ContainerStats | None:
        """Return the message for the usage that was read; None if nothing could be read."""
        if not used.known:
            return None
        rate = self._rates.seen(container.id, used.at, used.cpu_ns)
        return api.ContainerStats(
            attributes=_attributes(container),
            cpu=usage.cpu(used, rate),
            memory=usage.memory(used),
            writable_layer=self._writable(container.id),
            swap=usage.swap(used),
            io=usage.io(used),
        )

    def layer(self, id: str) -> Measured | None:
        """Return the last measured usage of the writable layer."""
        return self._layers.of(id)

    def _of_stopped(self, container: state.ContainerRecord) -> api.ContainerStats:
        return api.ContainerStats(
            attributes=_attributes(container), writable_layer=self._writable(container.id)
        )

    def _writable(self, id: str) -> api.FilesystemUsage | None:
        measured = self._layers.of(id)
        if measured is None:
            return None
        return api.FilesystemUsage(
            timestamp=measured.at,
            fs_id=api.FilesystemIdentifier(mountpoint=self._mountpoint),
            used_bytes=usage.wrapped(measured.usage.used_bytes),
            inodes_used=usage.wrapped(measured.usage.inodes),
        )


def _passes(container: state.ContainerRecord, filter: api.ContainerStatsFilter) -> bool:
    return (
        lifecycle.is_running(container)
        and container.id.startswith(filter.id)
        and container.pod_id.startswith(filter.pod_sandbox_id)
        and matches(container.config.labels.items(), filter.label_selector.items())
    )


def _attributes(container: state.ContainerRecord) -> api.ContainerAttributes:
    return api.ContainerAttributes(
        id=container.id,
        metadata=container.config.metadata,
        labels=container.config.labels,
        annotations=container.config.annotations,
    )
