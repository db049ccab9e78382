"""What the records claim at one moment, and which objects operations have in hand at it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cri_shim import lifecycle
from cri_shim.activity import Subject, subject
from cri_shim.pb import state_pb2 as state

Record = state.PodRecord | state.ContainerRecord


@dataclass(frozen=True, slots=True)
class Store:
    """What the records of images name. Without it, nothing is said of the store.

    Diff-ids and digests begin with "sha256:". `layers` have a record, `held` are needed without
    one. `blobs` are named by images; `keeps_others`: other blobs may be needed, too. `mounts`: the
    names of layers that are mounted. `began`: temporary files that are older belong to no work, in
    seconds since the epoch.
    """

    layers: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    blobs: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()  # of the blobs, those without which an image is not whole
    keeps_others: bool = False
    mounts: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()  # ids of images that are mounted for reading
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class Records:
    """`busy`: the ids of objects that an operation has in hand; nothing is said of them.

    `boot_id`: of this boot; what a record of another boot had is gone without being a difference.
    """

    pods: Mapping[str, state.PodRecord]
    containers: Mapping[str, state.ContainerRecord]
    boot_id: str
    busy: Collection[str] = frozenset()
    store: Store | None = None
    watched: Collection[str] = field(default_factory=frozenset)  # ids whose end is awaited

    def has(self, id: str) -> bool:
        return id in self.pods or id in self.containers

    def record(self, id: str) -> Record | None:
        return self.pods.get(id) or self.containers.get(id)

    def unowned(self, id: str) -> bool:
        """Whether no record has the id, and no operation either."""
        return not self.has(id) and id not in self.busy

    def ended(self, id: str) -> bool:
        """Whether the object is at rest and has no process: its things of the node must be gone."""
        if id in self.busy:
            return False
        if (container := self.containers.get(id)) is not None:
            return container.phase == state.CONTAINER_EXITED
        pod = self.pods.get(id)
        return pod is not None and pod.phase == state.POD_NOTREADY

    def ready(self) -> list[state.PodRecord]:
        """Return the pods at rest whose things must be there."""
        return [
            pod
            for pod in self.pods.values()
            if lifecycle.is_ready(pod) and self._settled(pod.id, pod.boot_id)
        ]

    def made(self) -> list[state.ContainerRecord]:
        """Return the created and the running containers at rest: their things must be there."""
        phases = (state.CONTAINER_CREATED, state.CONTAINER_RUNNING)
        return [
            c
            for c in self.containers.values()
            if c.phase in phases and self._settled(c.id, c.boot_id)
        ]

    def running(self) -> list[state.ContainerRecord]:
        return [c for c in self.made() if lifecycle.has_process(c)]

    def subject(self, id: str, kind: str = "") -> Subject:
        """Return the object of an id with its name; only kind and id if no record has it."""
        if (pod := self.pods.get(id)) is not None:
            return subject.pod(pod.config.metadata, id)
        if (container := self.containers.get(id)) is None:
            return Subject(kind or "object", "", id)
        home = self.pods.get(container.pod_id)
        metadata = None if home is None else home.config.metadata
        return subject.container(metadata, container.config.metadata.name, id, container.pod_id)

    def _settled(self, id: str, boot_id: str) -> bool:
        return boot_id == self.boot_id and id not in self.busy
