"""The pinned namespaces of pods."""

from collections.abc import Iterator
from pathlib import Path

from cri_shim.comparison import ours
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.directories import NOT_READY, REMOVE
from cri_shim.comparison.place import Place, since
from cri_shim.comparison.records import Records

KIND = "namespace"
STOP = "releases what the stopped pod still holds, as StopPodSandbox does"
_KINDS = ("user", "ipc", "uts", "pid")


def find(place: Place, records: Records) -> Iterator[Difference]:
    for id, path in [*_network(place), *_others(place)]:
        if reason := _reason(records, id):
            repair = REMOVE if records.unowned(id) else STOP
            subject = records.subject(id, "pod")
            yield Difference(KIND, Sort.LEFTOVER, subject, str(path), reason, repair, since(path))
    for pod in records.ready():
        if not place.paths.pod(pod.id).is_dir():
            continue  # a difference of its own
        for kind, path in place.paths.pins(pod).items():
            if not place.is_pinned(path):
                subject = records.subject(pod.id)
                text = f"the {kind} namespace of a ready pod is not pinned"
                yield Difference(KIND, Sort.LOST, subject, str(path), text, NOT_READY)


def _network(place: Place) -> Iterator[tuple[str, Path]]:
    """Yield the network namespaces that this instance has pinned; others may pin beside them."""
    for id, path in ours.all_pins(place.paths.netns_dir).items():
        if id in place.evidence:
            yield id, path


def _others(place: Place) -> Iterator[tuple[str, Path]]:
    pods = place.paths.pods()
    for id in ours.ids_in(pods):
        for kind in _KINDS:
            if place.is_pinned(path := place.paths.pin(id, kind)):
                yield id, path


def _reason(records: Records, id: str) -> str:
    if records.unowned(id):
        return "the pinned namespace of a pod that has no record"
    pod = records.pods.get(id)
    if pod is not None and records.ended(id) and not pod.network.attachments:
        return "the pinned namespace of a pod that has stopped"
    return ""
