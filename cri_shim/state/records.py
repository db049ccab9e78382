"""Records and their versions: bytes <-> messages of state.proto.

A record of a newer version than VERSION was written by a newer cri-shim: this one refuses to start
rather than guess. A record that cannot be parsed is set aside under the kind "quarantine", named in
the log and never fatal.
"""

import logging
from collections.abc import Iterator
from typing import TypeVar

from google.protobuf.message import DecodeError

from cri_shim.errors import StateError
from cri_shim.pb.state_pb2 import ContainerRecord, ImageRecord, LayerRecord, PodRecord
from cri_shim.state.store import Store

VERSION = 1

Record = PodRecord | ContainerRecord | ImageRecord | LayerRecord
R = TypeVar("R", PodRecord, ContainerRecord, ImageRecord, LayerRecord)

_log = logging.getLogger(__name__)


def load(store: Store, kind: str, type_: type[R]) -> Iterator[R]:
    """Every readable record of a kind; bad ones are quarantined, StateError on a newer version."""
    for id, value in list(store.items(kind)):
        try:
            record = type_.FromString(value)
            problem = _problem(record, id)
        except DecodeError as e:
            record, problem = type_(), f"cannot be decoded: {e}"
        if problem:
            _log.error("%s record %s is set aside: it %s", kind, id, problem)
            store.put("quarantine", f"{kind}/{id}", value)
            store.delete(kind, id)
            continue
        if record.version > VERSION:
            raise StateError(
                f"{kind} record {id} has version {record.version}, this cri-shim knows {VERSION}:"
                " it was written by a newer one; run that, or remove the state"
            )
        yield record


def _problem(record: Record, id: str) -> str:
    own = record.diff_id if isinstance(record, LayerRecord) else record.id
    if own != id:
        return f"names another id ({own[:80]!r})"
    if record.version == 0:
        return "has no version"
    return ""
