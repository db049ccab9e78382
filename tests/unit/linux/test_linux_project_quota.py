"""Project quotas: the kernel's structures, and the refusal where a file system has none."""

import ctypes
import errno
import fcntl
import os
import struct
from pathlib import Path

import pytest

from cri_shim.linux import mounts, project_quota, syscalls
from cri_shim.linux.mounts import Mount


class Fsxattr(ctypes.Structure):
    """struct fsxattr of <linux/fs.h>."""

    _fields_ = (
        ("fsx_xflags", ctypes.c_uint32),
        ("fsx_extsize", ctypes.c_uint32),
        ("fsx_nextents", ctypes.c_uint32),
        ("fsx_projid", ctypes.c_uint32),
        ("fsx_cowextsize", ctypes.c_uint32),
        ("fsx_pad", ctypes.c_ubyte * 8),
    )


class IfDqblk(ctypes.Structure):
    """struct if_dqblk of <linux/quota.h>."""

    _fields_ = (
        ("dqb_bhardlimit", ctypes.c_uint64),
        ("dqb_bsoftlimit", ctypes.c_uint64),
        ("dqb_curspace", ctypes.c_uint64),
        ("dqb_ihardlimit", ctypes.c_uint64),
        ("dqb_isoftlimit", ctypes.c_uint64),
        ("dqb_curinodes", ctypes.c_uint64),
        ("dqb_btime", ctypes.c_uint64),
        ("dqb_itime", ctypes.c_uint64),
        ("dqb_valid", ctypes.c_uint32),
    )


def _ioctl(direction: int, number: int, size: int) -> int:
    """_IOC of <asm-generic/ioctl.h>."""
    return direction << 30 | size << 16 | ord("X") << 8 | number


def test_the_requests_have_the_numbers_of_the_kernels_header() -> None:
    size = ctypes.sizeof(Fsxattr)
    assert _ioctl(2, 31, size) == project_quota.GET_ATTRIBUTES
    assert _ioctl(1, 32, size) == project_quota.SET_ATTRIBUTES
    assert project_quota.SET_LIMITS == 0x80000802
    assert project_quota.GET_LIMITS == 0x80000702


def test_the_structures_are_the_kernels() -> None:
    assert project_quota.ATTRIBUTES.size == ctypes.sizeof(Fsxattr)
    found = Fsxattr.from_buffer_copy(project_quota.ATTRIBUTES.pack(1, 2, 3, 4, 5))
    assert (found.fsx_xflags, found.fsx_projid, found.fsx_cowextsize) == (1, 4, 5)
    assert project_quota.LIMITS.size == ctypes.sizeof(IfDqblk)
    limit = IfDqblk.from_buffer_copy(project_quota.limits(7))
    assert (limit.dqb_bhardlimit, limit.dqb_ihardlimit, limit.dqb_valid) == (7, 0, 1)


class Kernel:
    """Replaces the calls: a file system with project quotas."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.attributes = struct.pack("=5I8x", 0x10, 1, 2, 0, 3)
        self.limits: list[tuple[int, int, bytes]] = []
        self.error = 0
        monkeypatch.setattr(fcntl, "ioctl", self.ioctl)
        monkeypatch.setattr(syscalls, "quotactl_fd", self.quotactl)

    def ioctl(self, fd: int, request: int, data: bytes) -> bytes:
        if request == project_quota.SET_ATTRIBUTES:
            self.attributes = data
        return self.attributes

    def quotactl(self, fd: int, command: int, id: int, data: bytes) -> bytes:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        self.limits.append((command, id, data))
        return data


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def test_a_directory_gets_its_project_and_keeps_its_other_attributes(kernel: Kernel) -> None:
    project_quota.set_project(3, 77)
    found = Fsxattr.from_buffer_copy(kernel.attributes)
    assert found.fsx_xflags == 0x10 | project_quota.INHERIT
    assert (found.fsx_extsize, found.fsx_projid, found.fsx_cowextsize) == (1, 77, 3)
    assert project_quota.project_of(3) == 77


@pytest.mark.parametrize(
    ("size", "blocks"), [(0, 0), (1, 1), (1024, 1), (1025, 2), (5 << 20, 5120)]
)
def test_a_limit_is_in_whole_blocks(kernel: Kernel, size: int, blocks: int) -> None:
    project_quota.set_limit(3, 77, size)
    ((command, id, data),) = kernel.limits
    limit = IfDqblk.from_buffer_copy(data)
    assert (command, id, limit.dqb_bhardlimit) == (project_quota.SET_LIMITS, 77, blocks)


def test_a_file_system_without_project_ids_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ioctl(*_: object) -> bytes:
        raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    assert project_quota.problem(tmp_path) == (
        f"the file system of {tmp_path} has no project ids: use xfs or ext4, or set"
        " containers.layer_quota = 0"
    )


def _mounted(directory: Path, *options: str) -> list[Mount]:
    device = directory.stat().st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    return [Mount(1, name, "/", Path("/"), (), (), "ext4", options)]


def test_a_file_system_that_only_counts_is_refused(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "mountinfo", lambda: iter(_mounted(tmp_path, "rw", "quota")))
    assert "does not enforce project quotas: mount it with prjquota" in project_quota.problem(
        tmp_path
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errno.ENOSYS, "the kernel is older than 5.14, or was built without quotas"),
        (errno.EPERM, "the daemon is not root of the machine"),
        (errno.ESRCH, "its quotas are off"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_kernel_that_refuses_limits_is_told(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, reason: str
) -> None:
    monkeypatch.setattr(mounts, "mountinfo", lambda: iter(_mounted(tmp_path, "prjquota")))
    kernel.error = error
    assert f"cannot limit projects: {reason}" in project_quota.problem(tmp_path)


def test_a_file_system_with_project_quotas_has_no_problem(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "mountinfo", lambda: iter(_mounted(tmp_path, "rw", "prjquota")))
    assert project_quota.problem(tmp_path) == ""


def test_the_real_kernel_answers_or_refuses_in_words(tmp_path: Path) -> None:
    problem = project_quota.problem(tmp_path)
    assert problem == "" or "set containers.layer_quota = 0" in problem
