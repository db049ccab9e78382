"""The records of a state that this process has not opened, read from a copy of it.

For a look at a node whose daemon is stopped, or may not be asked. Nothing is changed.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from google.protobuf.message import DecodeError

from cri_shim.errors import CriShimError
from cri_shim.pb import state_pb2 as state
from cri_shim.state import salvage
from cri_shim.state.database import Damaged, NoRoom
from cri_shim.state.leveldb import MEMORY

R = TypeVar("R", state.PodRecord, state.ContainerRecord, state.ImageRecord, state.LayerRecord)


@dataclass(frozen=True, slots=True)
class Records:
    """`problem`: why the state could not be read; "" if it could, or if there is none."""

    pods: tuple[state.PodRecord, ...] = ()
    containers: tuple[state.ContainerRecord, ...] = ()
    images: tuple[state.ImageRecord, ...] = ()
    layers: tuple[state.LayerRecord, ...] = ()
    problem: str = ""


def read(path: Path) -> Records:
    """Return the readable records of the state in the directory `path`. Blocks."""
    if not path.is_dir():
        return Records()
    try:
        found = salvage.read(path, [Path(tempfile.gettempdir()), MEMORY])
    except (CriShimError, Damaged, NoRoom, OSError) as e:
        return Records(problem=f"cannot read the state in {path}: {e}")
    return Records(
        _decoded(found, b"pod/", state.PodRecord),
        _decoded(found, b"container/", state.ContainerRecord),
        _decoded(found, b"image/", state.ImageRecord),
        _decoded(found, b"layer/", state.LayerRecord),
    )


def _decoded(found: dict[bytes, bytes], prefix: bytes, kind: type[R]) -> tuple[R, ...]:
    records: list[R] = []
    for key in sorted(found):
        if key.startswith(prefix):
            try:
                records.append(kind.FromString(found[key]))
            except DecodeError:  # a start sets it aside
                continue
    return tuple(records)
