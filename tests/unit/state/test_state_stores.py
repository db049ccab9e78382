"""Both stores implement the same interface."""

import asyncio
import os

import pytest

from cri_shim.errors import StateError
from cri_shim.state import leveldb
from cri_shim.state.leveldb import LevelStore


async def test_a_value_is_found_by_kind_and_id(store) -> None:
    store.put("pod", "a", b"1")
    store.put("pod", "b", b"2")
    await store.sync()
    store.put("container", "a", b"3")
    assert store.get("pod", "a") == b"1"
    assert store.get("pod", "c") is None
    assert list(store.items("pod")) == [("a", b"1"), ("b", b"2")]


async def test_deleting_a_missing_key_is_allowed(store) -> None:
    store.put("pod", "a", b"1")
    store.delete("pod", "a")
    store.delete("pod", "a")
    assert list(store.items("pod")) == []


async def test_a_kind_with_the_prefix_of_another_is_separate(store) -> None:
    store.put("pod", "a", b"1")
    store.put("pods", "a", b"2")
    await store.sync()
    assert list(store.items("pod")) == [("a", b"1")]


def test_a_batch_writes_and_deletes_together(store) -> None:
    store.put("pod", "old", b"0")
    store.write([("pod", "a", b"1"), ("container", "c", b"2"), ("pod", "old", None)])
    assert list(store.items("pod")) == [("a", b"1")]
    assert list(store.items("container")) == [("c", b"2")]


def test_a_batch_that_the_death_of_the_process_cut_is_missing_completely(tmp_path) -> None:
    first = LevelStore(tmp_path / "state")
    first.put("pod", "before", b"0")
    first.write([("pod", "a", b"1" * 100), ("container", "c", b"2" * 100)])
    first.close()
    log = next((tmp_path / "state").glob("*.log"))
    os.truncate(log, log.stat().st_size - 50)  # within the container
    second = LevelStore(tmp_path / "state")
    assert list(second.items("pod")) == [("before", b"0")]
    assert list(second.items("container")) == []
    second.close()


def test_leveldb_keeps_records_across_a_restart(tmp_path) -> None:
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


def test_a_torn_leveldb_is_repaired_and_keeps_readable_records(tmp_path) -> None:
    first = LevelStore(tmp_path / "state")
    first.put("pod", "a", b"1")
    first.close()
    (tmp_path / "state" / "CURRENT").write_text("no such manifest\n")
    second = LevelStore(tmp_path / "state")
    assert second.get("pod", "a") == b"1"
    second.close()


async def test_writes_without_a_sync_are_flushed_soon_and_at_close(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leveldb, "SYNC_WITHIN_S", 0.02)
    synced = asyncio.Semaphore(0)
    loop, flush = asyncio.get_running_loop(), LevelStore._flush

    def seen(self: LevelStore) -> None:
        flush(self)
        loop.call_soon_threadsafe(synced.release)

    monkeypatch.setattr(LevelStore, "_flush", seen)
    store = LevelStore(tmp_path / "state")
    for n in range(2):
        store.put("pod", f"a{n}", b"1")
        await asyncio.wait_for(synced.acquire(), 10)
    monkeypatch.setattr(leveldb, "SYNC_WITHIN_S", 600)
    store.put("pod", "b", b"2")
    store.close()
    await asyncio.wait_for(synced.acquire(), 10)
