"""Stored records of the previous version and of the next one: both are read.

records/KIND.vN are such records. Those of the future version also have a field 200 (a number) and
a field 201 ("later").
"""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from cri_shim.errors import StateError
from cri_shim.objects import ObjectStore, changed
from cri_shim.pb import state_pb2 as state
from cri_shim.state import records
from cri_shim.state.memory import MemoryStore
from cri_shim.store import layers

FILES = Path(__file__).parent / "records"
TYPES: dict[str, Any] = {
    "pod": state.PodRecord,
    "container": state.ContainerRecord,
    "image": state.ImageRecord,
    "layer": state.LayerRecord,
}
LATER = b"\xc0\x0c\x07\xca\x0c\x05later"
MAIN, DEBUGGER = "b1" * 32, "c1" * 32


def kind_of(name: str) -> str:
    return name.partition("-")[0]


def on_file(name: str, version: int) -> bytes:
    return (FILES / f"{name}.v{version}").read_bytes()


def store_of(name: str, data: bytes) -> MemoryStore:
    kind, store = kind_of(name), MemoryStore()
    record = TYPES[kind].FromString(data)
    store.put(kind, record.diff_id if kind == "layer" else record.id, data)
    return store


def read(name: str, data: bytes) -> Message:
    kind = kind_of(name)
    found: Message = next(records.load(store_of(name, data), kind, TYPES[kind]))
    return found


@pytest.mark.parametrize("name", ["pod", "image", "layer"])
def test_a_record_of_this_version_is_read_unchanged(name: str) -> None:
    data = on_file(name, records.VERSIONS[name])
    assert read(name, data).SerializeToString(deterministic=True) == data


def test_a_container_of_the_previous_version_is_completed() -> None:
    data = on_file("container-debugger", records.VERSIONS["container"] - 1)
    found = read("container-debugger", data)
    before = state.ContainerRecord.FromString(data)
    assert isinstance(found, state.ContainerRecord)
    assert (found.version, list(found.depends_on)) == (2, [MAIN])
    assert changed(found, version=1, depends_on=None) == before


def test_a_layer_of_the_previous_version_is_not_counted() -> None:
    data = on_file("layer", records.VERSIONS["layer"] - 1)
    found = read("layer", data)
    assert isinstance(found, state.LayerRecord)
    assert (found.version, found.counted, list(found.blobs)) == (2, False, [])
    found.version = 1
    assert found == state.LayerRecord.FromString(data)


@pytest.mark.parametrize("name", ["pod", "container-main", "container-debugger", "image", "layer"])
def test_a_record_of_the_next_version_is_used_and_loses_nothing(name: str) -> None:
    data = on_file(name, records.VERSIONS[kind_of(name)] + 1)
    assert data.endswith(LATER)
    found = read(name, data)
    assert found.SerializeToString(deterministic=True) == data


def test_new_fields_of_the_next_version_are_kept_in_changed_records() -> None:
    data = on_file("container-main", records.VERSIONS["container"] + 1)
    store = store_of("container-main", data)
    objects = ObjectStore(store)
    objects.load()
    objects.put(changed(objects.container(MAIN), phase=state.CONTAINER_EXITED, exit_code=3))
    kept = store.get("container", MAIN)
    assert kept is not None
    assert kept.endswith(LATER)
    assert state.ContainerRecord.FromString(kept).version == records.VERSIONS["container"] + 1


@pytest.mark.parametrize("kind", TYPES)
def test_two_versions_newer_is_refused_with_a_remedy(kind: str) -> None:
    version = records.VERSIONS[kind] + 2
    id = {"diff_id" if kind == "layer" else "id": "aa11"}
    store = store_of(kind, TYPES[kind](version=version, **id).SerializeToString())
    text = f"{kind} record aa11 has version {version}.*a much newer one; run the versions between"
    with pytest.raises(StateError, match=text):
        list(records.load(store, kind, TYPES[kind]))


def test_two_versions_older_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(records.VERSIONS, "container", 3)
    store = store_of("container-main", on_file("container-main", 1))
    with pytest.raises(StateError, match=r"version 1.*a much older one"):
        list(records.load(store, "container", state.ContainerRecord))


def test_the_store_writes_layers_of_the_current_version() -> None:
    assert records.VERSIONS["layer"] == layers.VERSION
