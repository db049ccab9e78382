"""Removing a tree, whatever its shape."""

import os
from pathlib import Path

import pytest

from cri_shim.linux import remove
from cri_shim.linux.remove import remove_tree
from tests.fixtures.trees import make_deep, make_wide


def test_all_kinds_of_entries_are_removed_but_not_targets_of_links(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    top = tmp_path / "top"
    (top / "a/b/c").mkdir(parents=True)
    (top / "empty").mkdir()
    (top / "a/b/c/file").touch()
    (top / "a/link").symlink_to(tmp_path / "kept")
    os.mkfifo(top / "a/b/fifo")
    (top / "\udcff").touch()

    assert remove_tree(top)

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_a_missing_path_is_no_error_and_a_file_or_link_is_removed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("none", "none/none", "file/none", "file", "link"):
        assert remove_tree(tmp_path / name)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.large
def test_a_tree_deeper_than_any_path_is_removed_with_few_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_deep(tmp_path / "top", 5000)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    most = 0
    rename = os.rename

    def watched(name: str, to: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        nonlocal most
        most = max(most, len(os.listdir("/proc/self/fd")))  # noqa: PTH208
        rename(name, to, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", watched)
    assert remove_tree(tmp_path / "top")

    assert list(tmp_path.iterdir()) == []
    assert 0 < most - before <= 7


def test_temporary_names_may_already_exist(tmp_path: Path) -> None:
    top = tmp_path / "top"
    for number in range(3):
        (top / "d" / f".removed-{number}" / "sub").mkdir(parents=True)
    (top / ".removed-0").touch()
    (top / ".removed-1" / "x").mkdir(parents=True)
    (top / ".removed-2").mkdir()

    assert remove_tree(top)

    assert list(tmp_path.iterdir()) == []


def test_a_removal_with_a_limit_can_be_continued(tmp_path: Path) -> None:
    make_wide(tmp_path / "top", 50)
    assert not remove_tree(tmp_path / "top", 20)
    assert len(list((tmp_path / "top").iterdir())) == 30
    assert not remove_tree(tmp_path / "top", 20)
    assert remove_tree(tmp_path / "top", 20)
    assert list(tmp_path.iterdir()) == []


def test_an_entry_that_cannot_be_removed_is_named_and_the_rest_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    for name in ("a/x", "a/stays", "b", "c"):
        (top / name).touch()
    unlink = os.unlink

    def guarded(name: str, *, dir_fd: int) -> None:
        if name == "stays":
            raise PermissionError(1, "Operation not permitted")
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", guarded)
    with pytest.raises(PermissionError, match=r"top: stays"):
        remove_tree(top)

    assert [path.name for path in top.rglob("*")] == ["a", "stays"]


def test_the_program_prints_its_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_deep(tmp_path / "top", 3)
    remove.main(str(tmp_path / "top"))
    assert capsys.readouterr().out == "{}\n"

    def refuse(path: str) -> bool:
        raise OSError(16, "Device or resource busy", path)

    monkeypatch.setattr(remove, "remove_tree", refuse)
    with pytest.raises(SystemExit, match="1"):
        remove.main("/busy")
    assert "/busy" in capsys.readouterr().err
