"""Changes of real directories, read on the loop."""

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.linux import inotify, syscalls

IN_IGNORED = 0x8000  # the kernel ended the watch


@pytest.fixture
def watch() -> Iterator[inotify.Inotify]:
    with inotify.Inotify() as opened:
        yield opened


async def test_a_completed_write_is_an_event(watch: inotify.Inotify, tmp_path: Path) -> None:
    wd = watch.add(tmp_path, inotify.IN_CLOSE_WRITE)
    told = asyncio.Event()
    asyncio.get_running_loop().add_reader(watch, told.set)
    (tmp_path / "10-a.conflist").write_text("{}")
    async with asyncio.timeout(5):
        await told.wait()
    asyncio.get_running_loop().remove_reader(watch)
    assert watch.read() == [inotify.Event(wd, inotify.IN_CLOSE_WRITE, "10-a.conflist")]


def test_a_rename_and_a_removal_are_changes(watch: inotify.Inotify, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    watch.add(tmp_path, inotify.CHANGED)
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "b").unlink()
    assert [(e.mask, e.name) for e in watch.read()] == [
        (inotify.IN_MOVED_FROM, "a"),
        (inotify.IN_MOVED_TO, "b"),
        (inotify.IN_DELETE, "b"),
    ]


def test_without_events_reading_returns_at_once(watch: inotify.Inotify) -> None:
    assert watch.read() == []


def test_the_removal_of_the_directory_is_an_event(watch: inotify.Inotify, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    watch.add(tmp_path / "d", inotify.CHANGED)
    (tmp_path / "d").rmdir()
    assert [e.mask & ~0x40000000 for e in watch.read()] == [inotify.IN_DELETE_SELF, IN_IGNORED]


def test_watching_a_missing_path_names_it(watch: inotify.Inotify, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as refusal:
        watch.add(tmp_path / "missing", inotify.CHANGED)
    assert refusal.value.filename == str(tmp_path / "missing")


def test_the_error_of_exhausted_instances_names_the_limit_to_raise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def used_up(flags: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(syscalls, "inotify_init1", used_up)
    with pytest.raises(OSError, match="max_user_instances") as refusal:
        inotify.Inotify()
    assert refusal.value.errno == errno.EMFILE
