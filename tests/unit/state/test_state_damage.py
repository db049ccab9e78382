"""A damaged state database: it opens with the readable records, and the damaged one is kept."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import plyvel
import pytest

from cri_shim.errors import StateError
from cri_shim.state import database, salvage
from cri_shim.state.leveldb import LevelStore

RECORDS = 1500
Spoil = Callable[[Path], None]


def value_of(n: int) -> bytes:
    return f"{n:04}".encode() * 250


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with several tables and a log, and a tombstone in each."""
    path = tmp_path / "root" / "state"
    path.mkdir(parents=True)
    db = plyvel.DB(str(path), create_if_missing=True, write_buffer_size=256 << 10, compression=None)
    for n in range(RECORDS):
        db.put(f"pod/{n:04}".encode(), value_of(n))
        db.delete(b"pod/gone")
    db.close()
    return path


def tables(path: Path) -> list[Path]:
    return sorted(path.glob("*.ldb"))


def newest(path: Path, pattern: str) -> Path:
    return max(path.glob(pattern))


def garble(file: Path, at: int, size: int = 16) -> None:
    with file.open("r+b") as out:
        out.seek(at)
        out.write(b"\xa5" * size)


def instead(file: Path, make: Callable[[Path], object]) -> None:
    file.unlink()
    make(file)


def huge(file: Path) -> None:
    file.touch()
    os.truncate(file, 1 << 40)


def dangling(file: Path) -> None:
    file.symlink_to("nowhere")


def loop(file: Path) -> None:
    file.symlink_to(file)


def empty_all(files: Iterable[Path]) -> None:
    for file in list(files):
        os.truncate(file, 0)


def end_of(file: Path) -> int:
    return file.stat().st_size


def no_directory(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.touch()


# Of each: what is done to it, and how many of the records may be lost at most.
A_TABLE = 400
SPOILS: dict[str, tuple[Spoil, int]] = {
    "a block of a table": (lambda p: garble(tables(p)[0], 5000), 8),
    "the index of a table": (lambda p: garble(tables(p)[0], end_of(tables(p)[0]) - 150), A_TABLE),
    "the end of a table": (lambda p: garble(tables(p)[0], end_of(tables(p)[0]) - 16), A_TABLE),
    "a table cut short": (lambda p: os.truncate(tables(p)[0], 10_000), A_TABLE),
    "an empty table": (lambda p: os.truncate(tables(p)[0], 0), A_TABLE),
    "a table that is gone": (lambda p: tables(p)[0].unlink(), A_TABLE),
    "a directory for a table": (lambda p: instead(tables(p)[0], Path.mkdir), A_TABLE),
    "a FIFO for a table": (lambda p: instead(tables(p)[0], os.mkfifo), A_TABLE),
    "a huge table": (lambda p: instead(tables(p)[0], huge), A_TABLE),
    "a dangling link for a table": (lambda p: instead(tables(p)[0], dangling), A_TABLE),
    "a link loop for a table": (lambda p: instead(tables(p)[0], loop), A_TABLE),
    "every table": (lambda p: empty_all(tables(p)), RECORDS),
    "a record of the log": (lambda p: garble(newest(p, "*.log"), 5000), 64),
    "a FIFO for the log": (lambda p: instead(newest(p, "*.log"), os.mkfifo), A_TABLE),
    "a huge log": (lambda p: instead(newest(p, "*.log"), huge), A_TABLE),
    "the manifest": (lambda p: garble(newest(p, "MANIFEST*"), 10), 0),
    "an empty manifest": (lambda p: os.truncate(newest(p, "MANIFEST*"), 0), 0),
    "a manifest that is gone": (lambda p: newest(p, "MANIFEST*").unlink(), 0),
    "a directory for the manifest": (lambda p: instead(newest(p, "MANIFEST*"), Path.mkdir), 0),
    "a CURRENT that is gone": (lambda p: (p / "CURRENT").unlink(), 0),
    "an empty CURRENT": (lambda p: os.truncate(p / "CURRENT", 0), 0),
    "a CURRENT of binary": (lambda p: garble(p / "CURRENT", 0), 0),
    "a directory for CURRENT": (lambda p: instead(p / "CURRENT", Path.mkdir), 0),
    "a FIFO for CURRENT": (lambda p: instead(p / "CURRENT", os.mkfifo), 0),
    "a directory for LOCK": (lambda p: instead(p / "LOCK", Path.mkdir), 0),
    "a FIFO for LOG": (lambda p: instead(p / "LOG", os.mkfifo), 0),
    "everything": (lambda p: empty_all(p.iterdir()), RECORDS),
    "a file for the directory": (no_directory, RECORDS),
}


@pytest.mark.parametrize("what", SPOILS)
def test_a_damaged_database_opens_with_the_records_that_can_be_read(
    path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil, most_lost = SPOILS[what]
    spoil(path)
    store = LevelStore(path)
    left = dict(store.items("pod"))
    store.put("pod", "new", b"1")
    store.close()
    assert [id for id, value in left.items() if value != value_of(int(id))] == []
    assert len(left) >= RECORDS - most_lost
    (aside,) = salvage.damaged(path)
    assert path.stat().st_mode & 0o777 == 0o700
    assert f"the damaged one is kept in {aside}" in caplog.text
    again = LevelStore(path)
    assert dict(again.items("pod")) == left | {"new": b"1"}
    again.close()


def test_a_log_that_ends_within_a_record_is_not_damage(path: Path) -> None:
    log = newest(path, "*.log")
    os.truncate(log, log.stat().st_size - 100)
    store = LevelStore(path)
    assert len(dict(store.items("pod"))) == RECORDS - 1
    assert salvage.damaged(path) == []
    store.close()


def test_unknown_files_in_the_directory_are_ignored(path: Path) -> None:
    (path / "notes").mkdir()
    os.mkfifo(path / "fifo")
    store = LevelStore(path)
    assert len(dict(store.items("pod"))) == RECORDS
    assert salvage.damaged(path) == []
    store.close()


def test_damage_that_is_found_later_is_repaired_from_memory(path: Path) -> None:
    """LevelDB refuses every write after it found damage; the store then opens it again."""
    store = LevelStore(path)
    records = [("pod", id, value) for id, value in store.items("pod")]
    store.keep(lambda: records)
    assert store._db is not None
    store._db.compact_range()  # so that LevelDB merges none at this moment
    for table in tables(path):
        garble(table, 2000, 4000)
    store._torn = True
    store.put("pod", "last", b"1")
    store.close()
    again = LevelStore(path)
    found = dict(again.items("pod"))
    again.close()
    assert len(salvage.damaged(path)) == 1
    assert found == {id: value for _, id, value in records} | {"last": b"1"}


def test_only_the_last_damaged_databases_are_kept(path: Path, monkeypatch) -> None:
    for n in range(salvage.KEPT + 2):
        monkeypatch.setattr(time, "strftime", lambda *_, n=n: f"2026010{n}")
        (path / "CURRENT").write_text("")
        LevelStore(path).close()
    kept = [entry.name for entry in salvage.damaged(path)]
    assert kept == [f"state.damaged-2026010{n}" for n in range(2, salvage.KEPT + 2)]


def test_a_process_that_died_between_the_two_renames_loses_nothing(path: Path) -> None:
    path.rename(path.with_name("state.new"))
    store = LevelStore(path)
    assert len(dict(store.items("pod"))) == RECORDS
    store.close()


def test_an_incomplete_new_database_of_a_dead_process_is_not_used(path: Path) -> None:
    half = path.with_name("state.new")
    half.mkdir()
    (half / "CURRENT").touch()
    (path.parent / "cri-shim-state-xyz").mkdir()
    store = LevelStore(path)
    assert len(dict(store.items("pod"))) == RECORDS
    store.close()
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["reserve", "state"]


def test_a_key_that_is_not_utf8_can_be_removed(path: Path) -> None:
    db = database.opened(path)
    db.put(b"pod/\xff\xfe", b"1")
    db.close()
    store = LevelStore(path)
    (odd,) = [id for id, value in store.items("pod") if value == b"1"]
    store.delete("pod", odd)
    assert odd not in dict(store.items("pod"))
    store.close()


def test_a_database_of_another_process_is_neither_opened_nor_repaired(path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import plyvel, sys; db = plyvel.DB(sys.argv[1]); print(flush=True); sys.stdin.read()",
            str(path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StateError, match="another cri-shim"):
            LevelStore(path)
    finally:
        holder.communicate()
    assert salvage.damaged(path) == []


def test_a_link_to_a_missing_disk_is_refused(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to("/nowhere/state")
    with pytest.raises(StateError, match=r"link to /nowhere/state.*mounted"):
        LevelStore(link)


MEANINGS: Sequence[tuple[int, type[Exception], str]] = [
    (errno.ENOSPC, database.NoRoom, "No space left"),
    (errno.EDQUOT, database.NoRoom, "quota"),
    (errno.EROFS, StateError, "mounted read-only"),
    (errno.EMFILE, StateError, "Too many open files"),
    (errno.EIO, database.Damaged, "Input/output"),
]


@pytest.mark.parametrize(("code", "kind", "text"), MEANINGS)
def test_the_errors_of_leveldb_are_classified(code: int, kind: type, text: str) -> None:
    error = plyvel.IOError(f"IO error: /r/state/000007.ldb: {os.strerror(code)}".encode())
    meaning = database.meaning(error, Path("/r/state"))
    assert type(meaning) is kind
    assert text in str(meaning)
