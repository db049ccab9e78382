"""The pod's shared memory, and the file system of its files for /etc."""

import os
from pathlib import Path

import pytest

from cri_shim.isolation import pod_tmpfs
from cri_shim.linux import mounts


def test_shared_memory_is_bounded_for_all_users_and_is_unmounted(tmp_path: Path) -> None:
    pod_tmpfs.mount_shm(tmp_path / "pod/shm")
    mode = (tmp_path / "pod/shm").stat().st_mode & 0o7777
    with pytest.raises(OSError, match="No space left"):
        (tmp_path / "pod/shm/segment").write_bytes(bytes(pod_tmpfs.SHM_SIZE + 1))
    pod_tmpfs.unmount(tmp_path / "pod/shm")
    pod_tmpfs.unmount(tmp_path / "pod/shm")
    assert mode == 0o1777
    assert list((tmp_path / "pod/shm").iterdir()) == []


def test_mounting_shared_memory_again_keeps_the_files(tmp_path: Path) -> None:
    pod_tmpfs.mount_shm(tmp_path / "shm")
    (tmp_path / "shm/segment").touch()
    pod_tmpfs.mount_shm(tmp_path / "shm")
    kept = (tmp_path / "shm/segment").exists()
    pod_tmpfs.unmount(tmp_path / "shm")
    assert kept
    assert not mounts.is_mounted(tmp_path / "shm")


def test_etc_is_bounded_and_root_alone_enters_and_nothing_in_it_is_a_program(
    tmp_path: Path,
) -> None:
    pod_tmpfs.mount_etc(tmp_path / "pod/etc", 1 << 20)
    file, facts = tmp_path / "pod/etc/hosts", (tmp_path / "pod/etc").stat()
    options = set(mounts.mount_of(tmp_path / "pod/etc").options)
    file.write_bytes(bytes(pod_tmpfs.ETC_ROOM))
    with pytest.raises(OSError, match="No space left"):
        file.write_bytes(bytes(pod_tmpfs.ETC_ROOM + (2 << 20)))
    pod_tmpfs.unmount(tmp_path / "pod/etc")
    pod_tmpfs.unmount(tmp_path / "pod/etc")
    assert facts.st_mode & 0o7777 == 0o700
    assert options >= {"nosuid", "nodev", "noexec"}
    assert os.listdir(tmp_path / "pod/etc") == []  # noqa: PTH208


def test_mounting_etc_again_keeps_the_files(tmp_path: Path) -> None:
    pod_tmpfs.mount_etc(tmp_path / "etc", 0)
    (tmp_path / "etc/hosts").touch()
    pod_tmpfs.mount_etc(tmp_path / "etc", 0)
    kept = (tmp_path / "etc/hosts").exists()
    pod_tmpfs.unmount(tmp_path / "etc")
    assert kept
