"""What the use cases report to the plugins of the node; by default there are none.

`cri_shim.nri` has the other implementation. A use case calls a method at the point of its work that
the method names. A method returns when every plugin has answered or has used up its time.
"""

from dataclasses import dataclass
from typing import Any

from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec.document import Document


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A new container after the changes of the plugins."""

    document: Document
    resources: api.LinuxContainerResources
    cgroups_path: str
    real_paths: dict[str, str]  # destinations of added mounts, without the image's symbolic links


class NodePlugins:
    """No plugins. An implementation overrides every method; CriShimError fails the request."""

    active = False  # whether there can be any plugins

    def changing(self) -> list[str]:
        """Return the names of the plugins that may change new containers."""
        return []

    def facts(self) -> list[dict[str, Any]]:
        """Return what `cri-shim info` shows of each connected plugin, JSON-able."""
        return []

    async def pod_made(self, pod: state.PodRecord) -> None:
        """Called before a pod becomes ready."""

    async def pod_updating(
        self, pod: state.PodRecord, request: api.UpdatePodSandboxResourcesRequest
    ) -> None:
        """Called before the resources of a pod change."""

    async def pod_updated(self, pod: state.PodRecord) -> None:
        """Called after that. Raises nothing, nor does a method below that names the past."""

    async def pod_stopped(self, pod: state.PodRecord) -> None:
        """Called when its containers have ended, while its network exists; can be repeated."""

    async def pod_removed(self, pod: state.PodRecord) -> None:
        """Called when nothing is left of a pod but its record; can be repeated."""

    async def container_creating(
        self, pod: state.PodRecord, container: state.ContainerRecord, document: Document
    ) -> Adjusted:
        """Called with the document of a new container; returns the changed one."""
        return Adjusted(document, container.resources, container.cgroups_path, {})

    async def container_created(self, container: state.ContainerRecord) -> None:
        """Called when a container has been created."""

    async def container_starting(self, container: state.ContainerRecord) -> None:
        """Called when the processes of a container exist, before its program is executed."""

    async def container_started(self, container: state.ContainerRecord) -> None:
        """Called when its program was executed."""

    async def container_updating(
        self, container: state.ContainerRecord, update: api.LinuxContainerResources
    ) -> tuple[api.LinuxContainerResources, Document]:
        """Called before the resources change; returns the changes to make.

        The second value has limits that the CRI cannot express, in OCI form.
        """
        return update, {}

    async def container_updated(self, container: state.ContainerRecord) -> None:
        """Called after that."""

    async def container_stopped(self, container: state.ContainerRecord) -> None:
        """Called when a container has ended; can be repeated."""

    async def container_removed(self, container: state.ContainerRecord) -> None:
        """Called when nothing is left of a container but its record; can be repeated."""
