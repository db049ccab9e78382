"""Both stores keep the same promises."""

import pytest

from cri_shim.errors import StateError
from cri_shim.state.leveldb import LevelStore
from cri_shim.state.memory import MemoryStore


@pytest.fixture(params=["memory", "leveldb"])
def store(request, tmp_path):
    made = MemoryStore() if request.param == "memory" else LevelStore(tmp_path / "state")
    yield made
    made.close()


async def test_what_is_put_is_found_by_kind_and_id(store) -> None:
    store.put("pod", "a", b"1")
    await store.put_sync("pod", "b", b"2")
    store.put("container", "a", b"3")
    assert store.get("pod", "a") == b"1"
    assert store.get("pod", "c") is None
    assert list(store.items("pod")) == [("a", b"1"), ("b", b"2")]


async def test_deleting_what_is_not_there_is_fine(store) -> None:
    store.put("pod", "a", b"1")
    store.delete("pod", "a")
    await store.delete_sync("pod", "a")
    assert list(store.items("pod")) == []


async def test_a_kind_that_begins_like_another_is_kept_apart(store) -> None:
    store.put("pod", "a", b"1")
    store.put("pods", "a", b"2")
    await store.sync()
    assert list(store.items("pod")) == [("a", b"1")]


def test_leveldb_keeps_records_over_a_restart(tmp_path) -> None:
    first = LevelStore(tmp_path / "state")
    first.put("pod", "a", b"1")
    first.close()
    second = LevelStore(tmp_path / "state")
    assert second.get("pod", "a") == b"1"
    second.close()


def test_a_second_daemon_on_the_same_state_is_refused_with_a_reason(tmp_path) -> None:
    first = LevelStore(tmp_path / "state")
    with pytest.raises(StateError, match="another cri-shim"):
        LevelStore(tmp_path / "state")
    first.close()


def test_a_torn_leveldb_is_repaired_and_keeps_what_it_can(tmp_path) -> None:
    first = LevelStore(tmp_path / "state")
    first.put("pod", "a", b"1")
    first.close()
    (tmp_path / "state" / "CURRENT").write_text("no such manifest\n")
    second = LevelStore(tmp_path / "state")
    assert second.get("pod", "a") == b"1"
    second.close()
