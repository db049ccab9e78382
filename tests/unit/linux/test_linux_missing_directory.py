"""Making a missing directory: what is followed on the way, and what is not."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.linux import missing_directory


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_every_missing_name_becomes_a_directory_whatever_the_umask(tmp_path: Path) -> None:
    missing_directory.make(f"{tmp_path}/a//b/c/")
    modes = [(tmp_path / name).stat().st_mode for name in ("a", "a/b", "a/b/c")]
    assert [oct(mode) for mode in modes] == ["0o40755"] * 3


def test_a_directory_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    missing_directory.make(str(tmp_path))
    assert tmp_path.stat().st_mode & 0o777 == 0o711


def test_a_link_above_the_missing_name_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    missing_directory.make(f"{tmp_path}/link/new")
    assert (tmp_path / "real/new").is_dir()


@pytest.mark.parametrize("below", ["", "/deeper"])
def test_a_link_to_nothing_is_refused_and_its_target_is_not_made(
    tmp_path: Path, below: str
) -> None:
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(OSError, match="a symbolic link at 'link' leads to nothing"):
        missing_directory.make(f"{tmp_path}/link{below}")
    assert not (tmp_path / "target").exists()


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        missing_directory.make(f"{tmp_path}/file/new")


def test_a_link_put_in_place_of_a_missing_name_meanwhile_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def mkdir(name: str, mode: int, **where: Any) -> None:
        os.symlink(elsewhere, name, **where)  # noqa: PTH211
        raise FileExistsError(name)

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(OSError, match="a symbolic link at 'a'"):
        missing_directory.make(f"{tmp_path}/a/b")
    assert list(elsewhere.iterdir()) == []


def test_a_directory_that_another_one_makes_meanwhile_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = os.mkdir

    def mkdir(name: str, mode: int, **where: Any) -> None:
        first(name, mode, **where)
        raise FileExistsError(name)

    monkeypatch.setattr(os, "mkdir", mkdir)
    missing_directory.make(f"{tmp_path}/a/b")
    assert (tmp_path / "a/b").is_dir()


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    missing_directory.make(f"{tmp_path}/a/b")
    with pytest.raises(OSError, match="leads to nothing"):
        missing_directory.make(f"{tmp_path}/link")
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
