"""The existing objects: every pod and container, by id, name and prefix.

Values are PodRecord and ContainerRecord messages that are never changed after `put`: a change is a
new message (see `changed`). Readers take no lock and never call out, so a slow object cannot delay
a list. `put` writes to the state store first; `observe` replaces the record in memory first and
persists it with retry. Both refuse a phase that may not follow the current one: see lifecycle.py.

A runtime with a state namespace sees only its own objects; one without sees all.
"""

import logging
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from cri_shim import lifecycle
from cri_shim.activity import Subject, subject
from cri_shim.aio.changes import Changes
from cri_shim.aio.keyed_lock import KeyedLock
from cri_shim.errors import InvalidArgument, NotFound, RuntimeStopped, WrongNamespace
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.state import records
from cri_shim.state.saver import Saver
from cri_shim.state.store import DAMAGED, Store, Write

PodName = tuple[str, str, str, int]  # namespace, name, uid, attempt
ContainerName = tuple[str, str, int]  # pod id, name, attempt
AnyRecord = TypeVar("AnyRecord", state.PodRecord, state.ContainerRecord)
Record = state.PodRecord | state.ContainerRecord
Follower = Callable[[Record | None, Record | None], None]  # before, after; None: no object
_IDENTITY = "identity"
_NAME = re.compile(r"[0-9a-f]{32}")

_log = logging.getLogger(__name__)


def changed(record: AnyRecord, **fields: Any) -> AnyRecord:
    """Return a copy of `record` with scalar or message fields replaced (None clears a field)."""
    copy = type(record)()
    copy.CopyFrom(record)
    for name, value in fields.items():
        copy.ClearField(name)  # type: ignore[arg-type]
        if value is None:
            continue
        if hasattr(value, "CopyFrom"):
            getattr(copy, name).CopyFrom(value)
        elif isinstance(value, list | tuple):
            getattr(copy, name).extend(value)
        else:
            setattr(copy, name, value)
    return copy


def pod_name(metadata: api.PodSandboxMetadata) -> PodName:
    return metadata.namespace, metadata.name, metadata.uid, metadata.attempt


class ObjectStore:
    def __init__(self, store: Store, state_namespace: str = "") -> None:
        self._store = store
        self.state_namespace = state_namespace
        self.lock = KeyedLock()  # key: object id. Order: pod, then container. Readers take none.
        self.given_names: set[str] = set()  # generated in this process, perhaps not used yet
        self._pods: dict[str, state.PodRecord] = {}
        self._containers: dict[str, state.ContainerRecord] = {}
        self._of_pod: dict[str, dict[str, None]] = {}
        self._followers: list[Follower] = []
        self._changes = Changes()
        self.closed = False
        self._saver = Saver(store, self._stored)
        store.keep(self._records)

    def load(self) -> None:
        """Read every record; StateError if one was written by a newer version."""
        for pod in records.load(self._store, "pod", state.PodRecord):
            self._pods[pod.id] = pod
        for container in records.load(self._store, "container", state.ContainerRecord):
            self._index(container)

    def identity(self, known_as: str = "") -> str:
        """Return the random name that the state keeps; a new or another state has another name.

        A damaged state that has lost its name gets `known_as` again. Unavailable if it has none
        and the disk is full.
        """
        known = (self._store.get("meta", _IDENTITY) or b"").decode(errors="replace")
        damaged = self._store.get("meta", DAMAGED) is not None
        if not _NAME.fullmatch(known):
            kept = damaged and _NAME.fullmatch(known_as)
            known = known_as if kept else secrets.token_hex(16)
            self._store.write([("meta", _IDENTITY, known.encode()), ("meta", DAMAGED, None)])
        elif damaged:
            self._saver.save(("meta", DAMAGED))
        return known

    # -- looking up ---------------------------------------------------------------------------

    def pods(self) -> list[state.PodRecord]:
        return [pod for pod in self._pods.values() if self.visible(pod)]

    def containers(self) -> list[state.ContainerRecord]:
        return [c for c in self._containers.values() if self.visible(c)]

    def each_pod(self) -> Iterator[state.PodRecord]:
        """Yield the present pods, each in its current state; pods that have gone are left out.

        For answers that are sent in parts: only ids are kept meanwhile.
        """
        for id in [pod.id for pod in self.pods()]:
            if (pod := self._pods.get(id)) is not None:
                yield pod

    def each_container(self) -> Iterator[state.ContainerRecord]:
        """Like `each_pod`, for containers."""
        for id in [container.id for container in self.containers()]:
            if (container := self._containers.get(id)) is not None:
                yield container

    def everything(self) -> tuple[list[state.PodRecord], list[state.ContainerRecord]]:
        """Return all records, including those of other namespaces and of creates in progress."""
        return list(self._pods.values()), list(self._containers.values())

    def containers_of(self, pod_id: str) -> list[state.ContainerRecord]:
        return [self._containers[id] for id in self._of_pod.get(pod_id, ())]

    def pod(self, id: str) -> state.PodRecord:
        """Find the pod by its id, or by a unique prefix of it. For names see resolve.py.

        NotFound; InvalidArgument if it is ambiguous; WrongNamespace.
        """
        return self._pods[self._resolve("pod", self._pods, id)]

    def container(self, id: str) -> state.ContainerRecord:
        """Like `pod`, for containers."""
        return self._containers[self._resolve("container", self._containers, id)]

    def dependents(self, id: str) -> list[state.ContainerRecord]:
        """Return the containers that need this one to run, without those that are being removed."""
        return [
            c
            for c in self._containers.values()
            if id in c.depends_on and c.phase != state.CONTAINER_REMOVING
        ]

    def find_pod(self, id: str) -> state.PodRecord | None:
        return self._pods.get(id)

    def find_container(self, id: str) -> state.ContainerRecord | None:
        return self._containers.get(id)

    def pod_named(self, name: PodName) -> state.PodRecord | None:
        """Return the pod that holds this name. A pod in removal does not: its name is free."""
        for pod in self._pods.values():
            if pod.phase != state.POD_REMOVING and pod_name(pod.config.metadata) == name:
                return pod
        return None

    def container_named(self, name: ContainerName) -> state.ContainerRecord | None:
        pod_id, own, attempt = name
        for c in self.containers_of(pod_id):
            metadata = c.config.metadata
            if c.phase != state.CONTAINER_REMOVING and (metadata.name, metadata.attempt) == (
                own,
                attempt,
            ):
                return c
        return None

    def pod_subject(self, id: str) -> Subject:
        """Return what log lines call the pod of this id; it may be gone."""
        pod = self._pods.get(id)
        return Subject("pod", "", id, id) if pod is None else subject.pod(pod.config.metadata, id)

    def container_subject(self, id: str) -> Subject:
        """Return what log lines call the container of this id; it may be gone."""
        container = self._containers.get(id)
        if container is None:
            return Subject("container", "", id)
        pod = self._pods.get(container.pod_id)
        home = None if pod is None else pod.config.metadata
        return subject.container(home, container.config.metadata.name, id, container.pod_id)

    def named(self, kind: str, id: str) -> Subject | None:
        """Return what log lines call the object of this kind and id; None if there is none."""
        known: Mapping[str, Record] = self._pods if kind == "pod" else self._containers
        if id not in known:
            return None
        return self.pod_subject(id) if kind == "pod" else self.container_subject(id)

    def held_layers(self) -> set[str]:
        """Return the diff-ids of the layers that containers, of all namespaces, still use."""
        own = {layer for c in self._containers.values() for layer in c.layers}
        volumes = (volume for c in self._containers.values() for volume in c.image_volumes)
        return own | {layer for volume in volumes for layer in volume.layers}

    def used_images(self) -> set[str]:
        """Return the ids of the images that containers, of all namespaces, use or mount."""
        own = {c.image_id for c in self._containers.values()}
        return own | {v.image_id for c in self._containers.values() for v in c.image_volumes}

    def _resolve(self, what: str, entries: Mapping[str, Record], id: str) -> str:
        if not id:
            raise InvalidArgument(f"{what}_id", "is empty")
        matches = [id] if id in entries else [one for one in entries if one.startswith(id)]
        if not matches:
            raise NotFound(f"no {what} with id {id}")
        visible = [known for known in matches if self.visible(entries[known])]
        if not visible:
            theirs = entries[matches[0]].state_namespace
            raise WrongNamespace(
                f"{what} {id} belongs to the state namespace {theirs!r}, this runtime to"
                f" {self.state_namespace!r}"
            )
        if len(visible) > 1:
            raise InvalidArgument(f"{what}_id", f"{id} is ambiguous: {len(visible)} {what}s match")
        return visible[0]

    def visible(self, entry: Record) -> bool:
        """Whether a record belongs to the state namespace of this runtime."""
        return not self.state_namespace or entry.state_namespace == self.state_namespace

    # -- changing -----------------------------------------------------------------------------

    def follow(self, follower: Follower) -> None:
        """Call `follower` with (before, after) at every change of a visible object.

        It is called at once, on the loop: it must neither wait nor change the objects.
        """
        self._followers.append(follower)

    def unfollow(self, follower: Follower) -> None:
        self._followers.remove(follower)

    def put(self, record: AnyRecord) -> AnyRecord:
        """Persist, replace, wake waiters; Unavailable, without a change, if the disk is full."""
        self._check(record)
        self._store.put(_kind(record), record.id, record.SerializeToString())
        self._swap(record)
        return record

    def observe(self, record: AnyRecord) -> AnyRecord:
        """Replace the record in memory even if the disk is full; persist it with retry.

        This is for observed facts, and for objects that are given up: a full disk must not prevent
        their removal, and a removal that was not recorded is requested again.
        """
        self._check(record)
        self._swap(record)
        self._saver.save((_kind(record), record.id))
        return record

    def observe_together(self, records: Sequence[Record]) -> None:
        """Like `observe`, for a pod and its containers, which are persisted in one write."""
        for record in records:
            self._check(record)
        for record in records:
            self._swap(record)
        self._saver.save(*((_kind(record), record.id) for record in records))

    def forget(self, record: state.PodRecord | state.ContainerRecord) -> None:
        """Remove for good. Called when nothing is left of the object, so it need not be synced.

        A full disk does not prevent it: a record that is still on the disk is removed at the next
        start.
        """
        last: Record | None
        if isinstance(record, state.PodRecord):
            last = self._pods.pop(record.id, None)
            self._of_pod.pop(record.id, None)
        elif (last := self._containers.pop(record.id, None)) is not None:
            self._of_pod.get(record.pod_id, {}).pop(record.id, None)
        self._changes.wake(record.id)
        if last is not None:
            self._notify(last, None)
        self._saver.save((_kind(record), record.id))

    async def sync(self) -> None:
        """Return when every change so far survives a power cut."""
        await self._store.sync()

    async def until(self, id: str, reached: Callable[[], bool]) -> None:
        """Wait until `reached()`; it is called again after every change of the object `id`."""
        await self._changes.until(id, reached)

    def unsaved(self) -> dict[str, str]:
        """Return the records that differ on the disk, each with the error."""
        return self._saver.unsaved()

    async def close(self) -> None:
        """Stop retrying writes that failed, after a last attempt.

        Tasks that still wait for a change get RuntimeStopped. The objects can still be read.
        """
        self.closed = True
        await self._saver.close()
        self._changes.end(RuntimeStopped("the runtime was shut down while this was waited for"))

    def _records(self) -> Iterator[Write]:
        for pod in self._pods.values():
            yield "pod", pod.id, pod.SerializeToString()
        for container in self._containers.values():
            yield "container", container.id, container.SerializeToString()

    def _stored(self, kind: str, id: str) -> bytes | None:
        records: Mapping[str, Record] = self._pods if kind == "pod" else self._containers
        record = records.get(id) if kind != "meta" else None
        return None if record is None else record.SerializeToString()

    def _check(self, record: Record) -> None:
        """WrongState if the phase of `record` may not follow the current one."""
        records: Mapping[str, Record]
        records = self._pods if isinstance(record, state.PodRecord) else self._containers
        lifecycle.check(records.get(record.id), record)

    def _swap(self, record: Record) -> None:
        before: Record | None
        if isinstance(record, state.PodRecord):
            before = self._pods.get(record.id)
            self._pods[record.id] = record
        else:
            before = self._containers.get(record.id)
            self._index(record)
        self._changes.wake(record.id)
        self._notify(before, record)

    def _notify(self, before: Record | None, after: Record | None) -> None:
        record = after or before
        if record is None or not self.visible(record):
            return
        for follower in self._followers:
            try:
                follower(before, after)
            except Exception:  # a bug of a follower: the change has still happened
                _log.exception("%s %s: a follower failed", _kind(record), record.id)

    def _index(self, container: state.ContainerRecord) -> None:
        self._containers[container.id] = container
        self._of_pod.setdefault(container.pod_id, {})[container.id] = None


def _kind(record: state.PodRecord | state.ContainerRecord) -> str:
    return "pod" if isinstance(record, state.PodRecord) else "container"


def matches(labels: Iterable[tuple[str, str]], selector: Iterable[tuple[str, str]]) -> bool:
    """Whether every pair of `selector` is among `labels` (CRI: all are required, equal match)."""
    return set(selector) <= set(labels)
