"""Collects the updates of existing containers that plugins ask for, and their evictions."""

from collections.abc import Sequence

from cri_shim.errors import ToolFailed
from cri_shim.nri import limits
from cri_shim.nri.owners import Owners
from cri_shim.pb import nri_pb2 as pb


class Updates:
    def __init__(
        self,
        owners: Owners,
        creating: str = "",
        updating: pb.UpdateContainerRequest | None = None,
    ) -> None:
        """`creating`: id of a container that is created now, which cannot be updated.

        `updating`: the request to update a container; a plugin can change it.
        """
        self._owners = owners
        self._creating = creating
        self._updating = updating
        self._found: dict[str, pb.ContainerUpdate] = {}
        self._plugins: dict[str, dict[str, None]] = {}  # id -> the plugins that update it
        self.evictions: dict[str, str] = {}  # id -> "plugin: reason"

    def add(
        self,
        plugin: str,
        updates: Sequence[pb.ContainerUpdate],
        evictions: Sequence[pb.ContainerEviction] = (),
    ) -> None:
        """Add what a plugin asks for. ToolFailed if it contradicts an earlier plugin.

        A contradiction in an update that may fail drops that update.
        """
        for update in updates:
            if update.container_id == self._creating:
                raise ToolFailed(
                    f"NRI plugin {plugin} updates container {self._creating}, which is being"
                    " created: it must adjust it"
                )
            try:
                self._add(plugin, update)
            except ToolFailed:
                if not update.ignore_failure:
                    raise
        for eviction in evictions:
            why = f"{plugin}: {eviction.reason}" if eviction.reason else plugin
            self.evictions.setdefault(eviction.container_id, why)

    def others(self) -> list[tuple[str, pb.ContainerUpdate]]:
        """Return the updates of other containers than the request's, with the plugins' names."""
        return [
            (", ".join(self._plugins[id]), update)
            for id, update in self._found.items()
            if id != self._updated_id
        ]

    @property
    def _updated_id(self) -> str:
        return self._updating.container.id if self._updating is not None else ""

    def _add(self, plugin: str, update: pb.ContainerUpdate) -> None:
        id = update.container_id
        known = self._found.get(id)
        new = pb.ContainerUpdate(container_id=id, ignore_failure=update.ignore_failure)
        if known is not None:
            new.CopyFrom(known)
            new.ignore_failure = known.ignore_failure and update.ignore_failure
        targets = [new.linux.resources]
        requested = pb.LinuxResources()
        if self._updating is not None and id == self._updated_id:
            requested.CopyFrom(self._updating.linux_resources)
            targets.append(requested)
        owners = self._owners.copy()  # a claim of an update that fails must not stay
        limits.collect(owners, id, plugin, update.linux.resources, *targets)
        self._owners.message.CopyFrom(owners.message)
        self._found[id] = new
        self._plugins.setdefault(id, {})[plugin] = None
        if self._updating is not None and id == self._updated_id:
            self._updating.linux_resources.CopyFrom(requested)
