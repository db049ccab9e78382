"""Project quotas: a limit of the space that a directory tree takes, by xfs(5) or ext4(5).

A directory with a project id and XFLAG_PROJINHERIT gives the id to everything that is made in it.
The limit of an id is set by quotactl_fd(2), which needs Linux 5.14 and the machine's CAP_SYS_ADMIN.
"""

import errno
import fcntl
import os
import struct
from pathlib import Path

from cri_shim.linux import mounts, syscalls

BLOCK = 1024  # bytes: the unit of a limit

# struct fsxattr of <linux/fs.h>: xflags, extsize, nextents, projid, cowextsize, 8 bytes of padding
ATTRIBUTES = struct.Struct("=5I8x")
GET_ATTRIBUTES = 0x801C581F  # FS_IOC_FSGETXATTR: _IOR('X', 31, struct fsxattr)
SET_ATTRIBUTES = 0x401C5820  # FS_IOC_FSSETXATTR: _IOW('X', 32, struct fsxattr)
INHERIT = 0x200  # FS_XFLAG_PROJINHERIT

# struct if_dqblk of <linux/quota.h>: hard and soft limit of blocks (1 KiB), used bytes, limits and
# number of inodes, two times, and which of these are valid
LIMITS = struct.Struct("=8QI4x")
_BLOCKS_VALID = 1  # QIF_BLIMITS
_PROJECT = 2  # PRJQUOTA
GET_LIMITS = 0x800007 << 8 | _PROJECT  # QCMD(Q_GETQUOTA, PRJQUOTA)
SET_LIMITS = 0x800008 << 8 | _PROJECT  # QCMD(Q_SETQUOTA, PRJQUOTA)

_OPTIONS = {"prjquota", "pquota"}  # of a mount with limits that are enforced
_REMEDY = (
    "mount it with prjquota (ext4: after `tune2fs -O project,quota -Q prjquota DEVICE` on the"
    " unmounted file system), or set containers.layer_quota = 0"
)


def project_of(fd: int) -> int:
    """Return the project id of an open file or directory; OSError if it can have none."""
    found: tuple[int, ...] = ATTRIBUTES.unpack(_attributes(fd))
    return found[3]


def set_project(fd: int, id: int) -> None:
    """Give an open directory a project id, and let what is made in it inherit it. OSError."""
    flags, extsize, extents, _, cow = ATTRIBUTES.unpack(_attributes(fd))
    fcntl.ioctl(fd, SET_ATTRIBUTES, ATTRIBUTES.pack(flags | INHERIT, extsize, extents, id, cow))


def set_limit(fd: int, id: int, size: int) -> None:
    """Limit the space of a project on the file system of `fd` to `size` bytes; 0: none. OSError."""
    blocks = -(-size // BLOCK)
    syscalls.quotactl_fd(fd, SET_LIMITS, id, limits(blocks))


def limits(blocks: int) -> bytes:
    """Return the struct if_dqblk of a hard limit of blocks; inodes have no limit."""
    return LIMITS.pack(blocks, 0, 0, 0, 0, 0, 0, 0, _BLOCKS_VALID)


def problem(directory: Path) -> str:
    """Return why the file system of a directory cannot limit projects; "" if it can."""
    where = f"the file system of {directory}"
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            project_of(fd)
        except OSError:
            return f"{where} has no project ids: use xfs or ext4, or set containers.layer_quota = 0"
        device = os.fstat(fd).st_dev
        if not _enforced(f"{os.major(device)}:{os.minor(device)}"):
            return f"{where} does not enforce project quotas: {_REMEDY}"
        try:
            syscalls.quotactl_fd(fd, GET_LIMITS, 0, bytes(LIMITS.size))
        except OSError as e:
            return f"{where} cannot limit projects: {_reason(e)}: {_REMEDY}"
    finally:
        os.close(fd)
    return ""


def _attributes(fd: int) -> bytes:
    return fcntl.ioctl(fd, GET_ATTRIBUTES, bytes(ATTRIBUTES.size))


def _enforced(device: str) -> bool:
    """Whether a mount of the device (MAJOR:MINOR) has the option of project quotas."""
    return any(
        mount.device == device and _OPTIONS.intersection(mount.super_options)
        for mount in mounts.mountinfo()
    )


def _reason(error: OSError) -> str:
    known = {
        errno.ENOSYS: "the kernel is older than 5.14, or was built without quotas",
        errno.EPERM: "the daemon is not root of the machine",
        errno.ESRCH: "its quotas are off",
    }
    return known.get(error.errno or 0, error.strerror or str(error))
