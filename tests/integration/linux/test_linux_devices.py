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


def test_of_a_directory_every_node_below_is_found_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    os.mknod(tmp_path / "deep" / "zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/dev/null")
    assert set(devices.find(str(tmp_path))) == {"deep/zero"}
    with pytest.raises(BlockingIOError):
        devices.find(str(tmp_path), cached=True)


def test_what_is_no_device_is_none(tmp_path: Path) -> None:
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


def test_what_everybody_writes_to_is_not_walked_for_the_nodes_of_the_host() -> None:
    place = Path("/dev/shm") / f"cri-shim-test-{os.getpid()}"
    os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    try:
        found = devices.of_host()
    finally:
        place.unlink()
    assert found["null"][:4] == ("/dev/null", "c", 1, 3)
    assert [path for path in found if path.startswith("shm")] == []
