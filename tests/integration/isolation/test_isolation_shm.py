"""The pod's shared memory."""

from pathlib import Path

import pytest

from cri_shim.isolation import shm
from cri_shim.linux import mounts


def test_shared_memory_is_bounded_for_all_users_and_is_unmounted(tmp_path: Path) -> None:
    shm.mount_shm(tmp_path / "pod/shm", 1 << 20)
    mode = (tmp_path / "pod/shm").stat().st_mode & 0o7777
    with pytest.raises(OSError, match="No space left"):
        (tmp_path / "pod/shm/segment").write_bytes(bytes(2 << 20))
    shm.unmount(tmp_path / "pod/shm")
    shm.unmount(tmp_path / "pod/shm")
    assert mode == 0o1777
    assert list((tmp_path / "pod/shm").iterdir()) == []


def test_mounting_again_keeps_the_files(tmp_path: Path) -> None:
    shm.mount_shm(tmp_path / "shm")
    (tmp_path / "shm/segment").touch()
    shm.mount_shm(tmp_path / "shm")
    kept = (tmp_path / "shm/segment").exists()
    shm.unmount(tmp_path / "shm")
    assert kept
    assert not mounts.is_mounted(tmp_path / "shm")
