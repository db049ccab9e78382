"""Finds a pod or a container by what a person calls it: the library and the command line use this.

A pod is found by id, NAME or NAMESPACE/NAME; a container by id, NAME, POD/NAME or
NAMESPACE/POD/NAME, and a pod with one container stands for it. A unique prefix of an id is tried
last. The kubelet keeps ended instances of a pod or container under one full name, which means the
newest of them. If objects of different names match, the error lists them. An object that is being
removed has no name.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from cri_shim.errors import InvalidArgument, NotFound, WrongNamespace
from cri_shim.objects import ObjectStore, Record
from cri_shim.pb import state_pb2 as state

_SHORT = 12  # characters of an id in a list of candidates
_LISTED = 10  # candidates in an error


def pod(objects: ObjectStore, word: str) -> state.PodRecord:
    """Return the pod. NotFound; InvalidArgument if several match; WrongNamespace."""
    found = _one(objects, word, ("pod",), "pod")
    assert isinstance(found, state.PodRecord)
    return found


def container(objects: ObjectStore, word: str) -> state.ContainerRecord:
    """Return the container, or the only one of the pod. Errors are those of `pod`."""
    found = container_or_pod(objects, word)
    return found if isinstance(found, state.ContainerRecord) else _only(objects, found)


def container_or_pod(objects: ObjectStore, word: str) -> Record:
    """Return the container; the pod if no container has this id or name. Errors as of `pod`."""
    return _one(objects, word, ("container", "pod"), "container or pod")


def either(objects: ObjectStore, word: str) -> Record:
    """Return the pod or container; both is ambiguous. Errors are those of `pod`."""
    return _one(objects, word, ("",), "pod or container")


def name(objects: ObjectStore, record: Record) -> str:
    """Return the full name: NAMESPACE/NAME of a pod, NAMESPACE/POD/NAME of a container."""
    own = record.config.metadata.name
    if isinstance(record, state.PodRecord):
        return f"{record.config.metadata.namespace}/{own}"
    owner = objects.find_pod(record.pod_id)
    return f"{name(objects, owner)}/{own}" if owner else own


def _one(objects: ObjectStore, word: str, order: Sequence[str], what: str) -> Record:
    """Return the match; `order` has the kinds that are tried one after the other."""
    if not word:
        raise InvalidArgument("", f"the name of a {what} is empty")
    matches = next(filter(None, _tries(objects, word, order)), [])
    if not matches:
        raise NotFound(f"no {what} with name or ID {word}")
    visible = [one for one in matches if objects.visible(one)]
    if not visible:
        theirs = matches[0].state_namespace
        raise WrongNamespace(
            f"{what} {word} belongs to the state namespace {theirs!r}, this runtime to"
            f" {objects.state_namespace!r}"
        )
    if len(visible) > 1:
        raise InvalidArgument("", f"{word} is ambiguous: {_listed(objects, visible)}")
    return visible[0]


def _tries(objects: ObjectStore, word: str, order: Sequence[str]) -> Iterator[list[Record]]:
    """Yield the matches by id and by name, then those by a prefix of an id."""
    pods, containers = objects.everything()
    of: dict[str, list[Record]] = {
        "pod": [*pods],
        "container": [*containers],
        "": [*pods, *containers],
    }
    for kind in order:
        yield [one for one in of[kind] if one.id == word]
        yield _newest(objects, [one for one in of[kind] if word in _names(objects, one)])
    for kind in order:
        yield [one for one in of[kind] if one.id.startswith(word)]


def _newest(objects: ObjectStore, records: Sequence[Record]) -> list[Record]:
    """Return the newest record of each full name."""
    newest: dict[tuple[type, str], Record] = {}
    for one in sorted(records, key=lambda one: (one.config.metadata.attempt, one.created_at)):
        newest[type(one), name(objects, one)] = one
    return list(newest.values())


def _names(objects: ObjectStore, record: Record) -> list[str]:
    """Return every name that means this record, the shortest first."""
    own = record.config.metadata.name
    if isinstance(record, state.PodRecord):
        removing = record.phase == state.POD_REMOVING
        return [] if removing else [own, f"{record.config.metadata.namespace}/{own}"]
    if record.phase == state.CONTAINER_REMOVING:
        return []
    owner = objects.find_pod(record.pod_id)
    return [own, *(f"{above}/{own}" for above in (_names(objects, owner) if owner else ()))]


def _only(objects: ObjectStore, pod: state.PodRecord) -> state.ContainerRecord:
    containers = _newest(objects, objects.containers_of(pod.id))
    if not containers:
        raise NotFound(f"pod {name(objects, pod)} has no container")
    if len(containers) > 1:
        raise InvalidArgument(
            "",
            f"pod {name(objects, pod)} has {len(containers)} containers, name one of them:"
            f" {_listed(objects, containers)}",
        )
    (only,) = containers
    assert isinstance(only, state.ContainerRecord)
    return only


def _listed(objects: ObjectStore, records: Sequence[Record]) -> str:
    shown = [
        f"{'pod' if isinstance(one, state.PodRecord) else 'container'}"
        f" {name(objects, one)} ({one.id[:_SHORT]})"
        for one in islice(records, _LISTED)
    ]
    more = len(records) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
