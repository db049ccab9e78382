"""The file system of a pod's files for /etc."""

import os
from pathlib import Path

import pytest

from cri_shim.isolation import etc
from cri_shim.linux import mounts


def test_the_mount_is_bounded_private_to_root_and_noexec(tmp_path: Path) -> None:
    etc.mount(tmp_path / "pod/etc", 1 << 20)
    file, facts = tmp_path / "pod/etc/hosts", (tmp_path / "pod/etc").stat()
    options = set(mounts.mount_of(tmp_path / "pod/etc").options)
    file.write_bytes(bytes(etc.ROOM))
    with pytest.raises(OSError, match="No space left"):
        file.write_bytes(bytes(etc.ROOM + (2 << 20)))
    etc.unmount(tmp_path / "pod/etc")
    etc.unmount(tmp_path / "pod/etc")
    assert facts.st_mode & 0o7777 == 0o700
    assert options >= {"nosuid", "nodev", "noexec"}
    assert os.listdir(tmp_path / "pod/etc") == []  # noqa: PTH208


def test_mounting_again_keeps_the_files(tmp_path: Path) -> None:
    etc.mount(tmp_path / "etc", 0)
    (tmp_path / "etc/hosts").touch()
    etc.mount(tmp_path / "etc", 0)
    kept = (tmp_path / "etc/hosts").exists()
    etc.unmount(tmp_path / "etc")
    assert kept
