"""The record of the process that holds a user's namespaces, and the errors of making one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.errors import RootlessError, StateError
from cri_shim.linux import process
from cri_shim.rootless import entering, holder
from cri_shim.rootless.holder import Holder


@pytest.fixture
def sleeper() -> Iterator[Holder]:
    with subprocess.Popen(["sleep", "600"]) as child:
        start = process.start_time(child.pid)
        assert start is not None
        yield Holder(child.pid, start)
        child.kill()


def test_a_holder_is_found_by_pid_and_start_time(tmp_path: Path, sleeper: Holder) -> None:
    with holder.record(tmp_path) as record:
        assert record.read() is None
        record.write(sleeper)
    with holder.record(tmp_path) as record:
        assert record.read() == sleeper
        record.write(Holder(sleeper.pid, sleeper.start_time - 1))
        assert record.read() is None


@pytest.mark.parametrize("text", ["", "1", "x y", "1 2 3", "99999999999 1", "-1 5"])
def test_a_record_without_a_living_process_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / holder.NAME).write_text(text)
    with holder.record(tmp_path) as record:
        assert record.read() is None


def test_a_record_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / holder.NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RootlessError, match="cannot open"), holder.record(tmp_path):
        pass


def test_a_holder_is_ended_once(sleeper: Holder) -> None:
    holder.end(sleeper)
    assert not sleeper.alive()
    holder.end(sleeper)


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(RootlessError, match=r"newuidmap is not installed.*package uidmap"):
        entering._tool("newuidmap")


def test_a_tool_that_refuses_is_quoted() -> None:
    with pytest.raises(RootlessError, match=r"no such range.*it must be set-uid root"):
        entering._map(["sh", "-c", "echo no such range >&2; exit 1"])


def test_a_directory_that_was_made_meanwhile_must_be_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "runtime"

    def strangers(self: Path, mode: int = 0o777) -> None:
        os.mkdir(self, 0o777)  # noqa: PTH102
        os.chown(self, 4711, 4711)
        raise FileExistsError

    monkeypatch.setattr(Path, "mkdir", strangers)
    with pytest.raises(StateError, match="belongs to user 4711, not to 0"):
        entering._directories(place)


def test_root_enters_nothing_and_releases_nothing(tmp_path: Path) -> None:
    entering.enter_for(tmp_path / "run")
    entering.required()
    entering.end_if_unused(tmp_path, unused=True)
    assert list(tmp_path.iterdir()) == []
