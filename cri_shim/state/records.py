"""Records and their versions: bytes <-> messages of state.proto.

A record of the previous version is completed when it is read, and written in the current version
at its next change. A record of the next version is used unchanged: its new fields are kept and
ignored, which the contract in state.proto allows. A record of any other version was written by a
cri-shim that is too old or too new; the daemon then refuses to start.

An unusable record, also an image of which no container can be made, is moved to the kind
"quarantine" and named in the log; it is never fatal. On a full disk it stays in its place, and the
next start moves it.
"""

import logging
from collections.abc import Iterator
from typing import TypeVar

from google.protobuf.message import DecodeError

from cri_shim.errors import InvalidArgument, StateError, Unavailable
from cri_shim.pb.state_pb2 import ContainerRecord, ImageRecord, LayerRecord, PodRecord
from cri_shim.spec import image_config, namespaces
from cri_shim.state.store import Store
from cri_shim.untrusted import printable

# The current version of each kind; store/layers.py writes the last one.
VERSIONS = {"pod": 1, "container": 2, "image": 1, "layer": 2}

Record = PodRecord | ContainerRecord | ImageRecord | LayerRecord
R = TypeVar("R", PodRecord, ContainerRecord, ImageRecord, LayerRecord)

_log = logging.getLogger(__name__)


def load(store: Store, kind: str, type_: type[R]) -> Iterator[R]:
    """Yield every readable record of a kind; move bad records to quarantine.

    StateError for a version that is not the current, the previous or the next one.
    """
    ours = VERSIONS[kind]
    for id, value in list(store.items(kind)):
        try:
            record = type_.FromString(value)
            problem = _problem(record, id)
        except DecodeError as e:
            record, problem = type_(), f"cannot be decoded: {e}"
        if not problem and not ours - 1 <= record.version <= ours + 1:
            age = "newer" if record.version > ours else "older"
            raise StateError(
                f"{kind} record {id} has version {record.version}, this cri-shim writes {ours} and"
                f" reads one more or less: it was written by a much {age} one; run the versions"
                " between, or remove the state"
            )
        if problem := problem or _unusable(record):
            _log.error("%s record %s is set aside: it %s", kind, printable(id), problem)
            _set_aside(store, kind, id, value)
            continue
        if record.version < ours:
            _complete(record)
            record.version = ours
        yield record


def _set_aside(store: Store, kind: str, id: str, value: bytes) -> None:
    try:
        store.write([("quarantine", f"{kind}/{id}", value), (kind, id, None)])
    except Unavailable as e:
        _log.error("%s", e)


def _complete(record: Record) -> None:
    """Add the missing fields of the previous version."""
    if isinstance(record, ContainerRecord) and (joined := namespaces.target(record.config)):
        record.depends_on.append(joined)


def _problem(record: Record, id: str) -> str:
    own = record.diff_id if isinstance(record, LayerRecord) else record.id
    if own != id:
        return f"names another id ({printable(repr(own[:80]))})"
    if "/" in own or own in ("", ".", ".."):
        return "has an id that is not a file name"
    if record.version == 0:
        return "has no version"
    return ""


def _unusable(record: Record) -> str:
    """Return why no container can be made of an image. Old versions stored such images."""
    if isinstance(record, ImageRecord):
        try:
            image_config.parse(record.config)
        except InvalidArgument as e:
            return f"cannot be used: {e}"
    return ""
