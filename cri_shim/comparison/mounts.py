"""The mounts below root and run root: each belongs to an object that needs it now.

Only the mount table is read: what is mounted may be a file system that does not answer.
"""

from collections.abc import Iterator
from pathlib import Path

from cri_shim.activity import Subject
from cri_shim.comparison import ours
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.directories import NOT_READY, REMOVE
from cri_shim.comparison.place import Place
from cri_shim.comparison.records import Records
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import namespaces

KIND, LOG = "mount", "log"
UNMOUNT = "unmounts it"
REMOUNT = "mounts it again"
_OF_POD = {"shm", "etc"}  # in its directory; the pins are in `pins`


def find(place: Place, records: Records) -> Iterator[Difference]:
    for target in sorted(place.mounted):
        if (id := _owner(place, target)) is not None and (
            reason := _reason(place, records, id, target)
        ):
            kind = LOG if target.parent == place.paths.run_root / "logs" else KIND
            repair = REMOVE if records.unowned(id) else UNMOUNT
            yield Difference(kind, Sort.LEFTOVER, records.subject(id), str(target), reason, repair)
    yield from _of_images(place, records)
    yield from _lost(place, records)


def _owner(place: Place, target: Path) -> str | None:
    """Return the id in the path of a mount of a pod or container."""
    paths = place.paths
    for top in (*paths.containers(), paths.pods(), paths.run_root / "logs"):
        if target.is_relative_to(top) and target != top:
            id = target.relative_to(top).parts[0]
            return id if ours.ID.fullmatch(id) else None
    return None


def _reason(place: Place, records: Records, id: str, target: Path) -> str:
    """Return why the mount is a leftover; "" if it is none."""
    if records.unowned(id):
        return "a mount of an object that has no record"
    if records.ended(id):
        if target.parent == place.paths.run_root / "logs":
            return "the log directory of a container that has ended is still mounted"
        if target.parent == place.paths.pod(id) and target.name in _OF_POD:
            return "a mount of a pod that has stopped"
    container = records.containers.get(id)
    if container is None or id in records.busy or container.phase == state.CONTAINER_CREATED:
        return ""
    if target.is_relative_to(place.paths.sources(id)):
        return "the source of a mount is still mounted: the kubelet cannot unmount the volume"
    return ""


def _of_images(place: Place, records: Records) -> Iterator[Difference]:
    """Yield mounts of images and layers that the store does not know."""
    if records.store is None:
        return
    images, layers = place.paths.run_root / "images", place.paths.run_root / "layers"
    for target in sorted(place.mounted):
        if target.parent == layers and target.name not in records.store.mounts:
            subject = Subject("layer", f"sha256:{target.name[:12]}")
            text = "a mounted layer that nothing uses"
            yield Difference(KIND, Sort.LEFTOVER, subject, str(target), text, UNMOUNT)
        elif target.is_relative_to(images) and target != images:
            id = target.relative_to(images).parts[0]
            if id not in records.store.images:
                subject, text = Subject("image", id[:12]), "a mounted image that the store forgot"
                yield Difference(KIND, Sort.LEFTOVER, subject, str(target), text, UNMOUNT)


def _lost(place: Place, records: Records) -> Iterator[Difference]:
    for container in records.made():
        target = place.paths.rootfs(container.id)
        if target not in place.mounted and target.parent.is_dir():
            subject, text = records.subject(container.id), "the root file system is not mounted"
            # Under a running one it is mounted in the container; the files written are in use.
            repair = REMOUNT if container.phase == state.CONTAINER_CREATED else ""
            yield Difference(KIND, Sort.LOST, subject, str(target), text, repair)
    for pod in records.ready():
        target = place.paths.pod(pod.id) / "shm"
        own = "ipc" in namespaces.of_pod(pod.config) and target.is_dir()
        if own and target not in place.mounted:
            subject, text = records.subject(pod.id), "/dev/shm of a ready pod is not mounted"
            yield Difference(KIND, Sort.LOST, subject, str(target), text, NOT_READY)
