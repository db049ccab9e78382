"""Device nodes by their paths: links, directories, and directories made to be walked for ever."""

import errno
import os
import stat
from pathlib import Path

import pytest

from cri_shim.linux import devices


def test_a_node_is_found_through_links_with_its_numbers_and_owner(tmp_path: Path) -> None:
    os.mknod(tmp_path / "node", stat.S_IFCHR | 0o640, os.makedev(1, 5))
    os.chown(tmp_path / "node", 12, 34)
    (tmp_path / "link").symlink_to("node")
    expected = (str(tmp_path / "node"), "c", 1, 5, 0o640, 12, 34)
    assert devices.find(str(tmp_path / "link")) == {"": expected}


def test_only_device_nodes_below_a_directory_are_found(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    os.mknod(tmp_path / "deep" / "zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/dev/null")
    assert set(devices.find(str(tmp_path))) == {"deep/zero"}
    with pytest.raises(BlockingIOError):
        devices.find(str(tmp_path), cached=True)


def test_a_path_without_a_device_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert devices.find(str(tmp_path / "file")) == {}


def test_a_directory_of_very_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "MOST", 3)
    for number in range(4):
        (tmp_path / str(number)).touch()
    with pytest.raises(OSError, match="more than 3 files") as refused:
        devices.find(str(tmp_path))
    assert refused.value.errno == errno.E2BIG


def test_world_writable_directories_are_not_searched_for_host_devices() -> None:
    place = Path("/dev/shm") / f"cri-shim-test-{os.getpid()}"
    os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    try:
        found = devices.of_host()
    finally:
        place.unlink()
    assert found["null"][:4] == ("/dev/null", "c", 1, 3)
    assert [path for path in found if path.startswith("shm")] == []
