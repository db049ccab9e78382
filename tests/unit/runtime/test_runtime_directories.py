"""Root and run root: trusted, locked, and as they were when a start has failed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.directories import Directories
from cri_shim.errors import StateError


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Directories]:
    directories = Directories(tmp_path / "a/b/root", tmp_path / "run")
    yield directories
    directories.unlock()


def test_new_entries_are_removed_unless_kept(pair: Directories, tmp_path: Path) -> None:
    pair.lock()
    (tmp_path / "run/x").mkdir()
    (tmp_path / "run/x/file").touch()
    (tmp_path / "a/b/root/link").symlink_to("/etc")
    pair.unlock()
    assert list(tmp_path.iterdir()) == []


def test_kept_entries_stay_and_the_directories_can_be_locked_again(
    pair: Directories, tmp_path: Path
) -> None:
    pair.lock()
    (tmp_path / "run/x").touch()
    pair.keep()
    pair.unlock()
    again = Directories(tmp_path / "a/b/root", tmp_path / "run")
    again.lock()
    (tmp_path / "run/y").touch()
    again.unlock()
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == ["lock", "x"]
    assert (tmp_path / "a/b/root").is_dir()


@pytest.mark.parametrize(("root", "run_root"), [("a/b/root", "run2"), ("root2", "run")])
def test_neither_directory_can_be_shared(
    pair: Directories, tmp_path: Path, root: str, run_root: str
) -> None:
    pair.lock()
    other = Directories(tmp_path / root, tmp_path / run_root)
    with pytest.raises(StateError, match="is in use by another cri-shim"):
        other.lock()
    other.unlock()
    assert list(tmp_path.glob("*2")) == []
    third = Directories(tmp_path / "a/b/root", tmp_path / "run")
    with pytest.raises(StateError):  # the refused one has not undone the first one's lock
        third.lock()
    third.unlock()


@pytest.mark.parametrize("shared", ["a/b/root", "run"])
def test_a_directory_with_foreign_files_is_refused_and_not_changed(
    pair: Directories, tmp_path: Path, shared: str
) -> None:
    theirs = tmp_path / shared / "containers"
    theirs.mkdir(parents=True)
    (tmp_path / shared / "lock").mkdir()  # as /run has one
    (tmp_path / shared).chmod(0o755)
    with pytest.raises(StateError, match=r"has files of others, such as containers: name a dir"):
        pair.lock()
    pair.unlock()
    assert theirs.is_dir()
    assert (tmp_path / shared).stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("name", ["state", "layers", "lost+found"])
def test_an_accessible_directory_that_is_empty_or_was_a_root_is_accepted(
    pair: Directories, tmp_path: Path, name: str
) -> None:
    root = tmp_path / "a/b/root"
    (root / name).mkdir(parents=True)
    root.chmod(0o755)
    pair.lock()
    assert (root / name).is_dir()


def test_a_run_root_inside_the_root_works(tmp_path: Path) -> None:
    nested = Directories(tmp_path / "root", tmp_path / "root/run")
    nested.lock()
    nested.unlock()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root, said in ((tmp_path / "file", "not a directory"), (tmp_path / "file/x", "Not a dir")):
        directories = Directories(root, tmp_path / "run")
        with pytest.raises(StateError, match=said):
            directories.lock()
        directories.unlock()
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_directories_of_others_are_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 12345, 0)
    (tmp_path / "ours").mkdir()
    (tmp_path / "link").symlink_to("ours")
    os.chown(tmp_path / "link", 12345, 0, follow_symlinks=False)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for name, said in (
        ("theirs", "directory .*theirs belongs to user 12345"),
        ("link", "symbolic link .*link belongs to user 12345"),
        ("open", "everybody may write"),
    ):
        directories = Directories(tmp_path / name, tmp_path / "run")
        with pytest.raises(StateError, match=said):
            directories.lock()
        directories.unlock()
    assert not (tmp_path / "run").exists()


def test_a_lock_is_retried_if_its_file_was_removed_meanwhile(
    pair: Directories, tmp_path: Path
) -> None:
    failed = Directories(tmp_path / "a/b/root", tmp_path / "run")
    failed.lock()
    held = (tmp_path / "run/lock").stat().st_ino
    failed.unlock()
    pair.lock()
    assert (tmp_path / "run/lock").exists()
    assert held
