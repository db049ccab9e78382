"""Unfinished work: intents in the records, and work that is retried; from memory.

An intent is recorded before anything of the node is changed, and cleared when the work is done. So
an intent that no operation works on, or whose work has failed, is a leak: it ends with a later try,
with the next request, or with the next start of the daemon.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cri_shim.activity import Operation, Subject
from cri_shim.aio.retry import Effort
from cri_shim.engine import Engine
from cri_shim.pb import state_pb2 as state

# The kinds of unfinished work.
KINDS = ("creation", "removal", "stop", "start", "update", "network", "record", "work")
NOBODY = "nothing works on it: the next request or the next start finishes it"
_POD = {state.POD_CREATING: "creation", state.POD_REMOVING: "removal"}
_CONTAINER = {
    state.CONTAINER_CREATING: "creation",
    state.CONTAINER_REMOVING: "removal",
    state.CONTAINER_STARTING: "start",
}


@dataclass(frozen=True, slots=True)
class Unfinished:
    """`since`: seconds since the epoch, 0 if not known. `next`: what the daemon does next.

    `leaks`: it makes no progress: it has failed, or nothing works on it.
    """

    kind: str
    subject: Subject
    since: float
    next: str
    leaks: bool

    def facts(self) -> dict[str, Any]:
        return {
            "class": self.kind,
            "object": str(self.subject),
            "id": self.subject.id,
            "since": self.since,
            "next": self.next,
            "leaks": self.leaks,
        }


def unfinished(engine: Engine) -> list[Unfinished]:
    """Return all unfinished work, also that which an operation is doing just now."""
    efforts = {effort.subject.id or effort.what: effort for effort in engine.work.retrier.efforts()}
    operations = {each.subject.id: each for each in engine.work.operations if each.subject.id}
    found = [
        _of_object(kind, _subject(engine, of, id), since, operations, efforts)
        for of, id, kind, since in intents(*engine.objects.everything())
    ]
    explained = {one.subject.id for one in found}
    for key, effort in efforts.items():
        if key not in explained:
            failed = bool(effort.error)
            found.append(Unfinished("work", effort.subject, effort.since, effort.next, failed))
    for record, error in engine.objects.unsaved().items():
        what = f"kept in memory until the disk takes it: {error}"
        found.append(Unfinished("record", Subject(record), 0.0, what, leaks=True))
    return found


def leaks(engine: Engine) -> list[Unfinished]:
    """Return the unfinished work that makes no progress."""
    return [each for each in unfinished(engine) if each.leaks]


def counts(engine: Engine) -> dict[str, int]:
    """Return the number of leaks by class: unfinished work, and leftovers of the last look.

    Cheap: nothing of the node is read. The leftovers are those that `check` or `leaks` found last.
    """
    found = Counter(each.kind for each in leaks(engine))
    found.update(engine.work.leftovers)
    return dict(found)


def intents(
    pods: Iterable[state.PodRecord], containers: Iterable[state.ContainerRecord]
) -> Iterator[tuple[str, str, str, float]]:
    """Yield the intents: pod or container, id, kind, and since when as far as the record knows."""
    for pod in pods:
        if kind := _of_pod(pod):
            since = pod.created_at / 1e9 if kind == "creation" else 0.0
            yield "pod", pod.id, kind, since
    for container in containers:
        if kind := _of_container(container):
            since = container.created_at / 1e9 if kind == "creation" else 0.0
            yield "container", container.id, kind, since


def _subject(engine: Engine, kind: str, id: str) -> Subject:
    return engine.objects.named(kind, id) or Subject(kind, "", id)


def _of_pod(pod: state.PodRecord) -> str:
    if pod.phase in _POD:
        return _POD[pod.phase]
    if pod.stopping:
        return "stop"
    detached = pod.phase != state.POD_NOTREADY or not pod.network.attachments
    return "" if detached else "network"


def _of_container(container: state.ContainerRecord) -> str:
    if container.phase in _CONTAINER:
        return _CONTAINER[container.phase]
    if container.phase == state.CONTAINER_EXITED:
        return ""
    if container.HasField("stop"):
        return "stop"
    return "update" if container.HasField("updating") else ""


def _of_object(
    kind: str,
    subject: Subject,
    since: float,
    operations: Mapping[str, Operation],
    efforts: Mapping[str, Effort],
) -> Unfinished:
    effort, operation = efforts.get(subject.id), operations.get(subject.id)
    if effort is not None:
        return Unfinished(kind, subject, since or effort.since, effort.next, bool(effort.error))
    if operation is not None:
        waits = operation.waits_for
        text = f"in hand: waits for {waits}" if waits else "in hand"
        return Unfinished(kind, subject, since or operation.since, text, leaks=False)
    return Unfinished(kind, subject, since, NOBODY, leaks=True)
