"""Mounts in a tree are neither walked nor removed, not even those of the same file system."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.linux import mounts, syscalls
from cri_shim.linux.remove import remove_tree
from cri_shim.linux.walk import Walk


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Path]:
    """A directory with another one, which has a precious file, bound into it."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "precious").touch()
    top = tmp_path / "top"
    (top / "a" / "volume").mkdir(parents=True)
    (top / "a" / "file").touch()
    (top / "z").touch()
    syscalls.mount(tmp_path / "host", top / "a" / "volume", None, syscalls.MS_BIND)
    yield top
    mounts.unmount(top / "a" / "volume")


def test_a_removal_stops_at_a_mount_with_an_error(top: Path) -> None:
    with pytest.raises(OSError, match="Device or resource busy"):
        remove_tree(top)

    assert (top.parent / "host" / "precious").exists()
    assert {path.name for path in top.rglob("*")} == {"a", "volume", "precious"}


def test_a_mount_point_is_not_removed(top: Path) -> None:
    with pytest.raises(OSError, match="something is mounted there"):
        remove_tree(top / "a" / "volume")

    assert (top.parent / "host" / "precious").exists()


def test_a_walk_does_not_enter_a_mount(top: Path) -> None:
    precious = (top.parent / "host" / "precious").stat().st_ino
    assert precious not in {status.st_ino for status in Walk(top)}
