"""System calls that Python has no function for, and their constants.

Old calls use glibc's wrappers. Newer ones use syscall(2): glibc got their wrappers late, and from
424 on their numbers are the same on every architecture. Each wrapper raises OSError with its path.
"""

import ctypes
import os
import struct
from typing import NamedTuple

StrPath = str | os.PathLike[str]

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
AT_SYMLINK_NOFOLLOW = 0x100
AT_NO_AUTOMOUNT = 0x800
AT_STATX_DONT_SYNC = 0x4000

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

NOBODY = 65534  # the owner of files whose owner has no id in the user namespace

OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR_IDMAP = 0x100000
MOUNT_ATTR_NOSYMFOLLOW = 0x200000  # since Linux 5.14

FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
RESOLVE_CACHED = 0x20

STATX_BASIC_STATS = 0x7FF
STATX_MNT_ID = 0x1000
STATX_ATTR_MOUNT_ROOT = 0x2000

PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36

_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT = 428, 429, 430, 431, 432
_OPENAT2, _MOUNT_SETATTR, _QUOTACTL_FD = 437, 442, 443
_SETRESUID = {"x86_64": 117, "s390x": 208, "ppc64le": 164}.get(os.uname().machine, 147)
_SCHED_SETATTR = {"x86_64": 314, "s390x": 345, "ppc64le": 355}.get(os.uname().machine, 274)
_IOPRIO_SET = {"x86_64": 251, "s390x": 282, "ppc64le": 273}.get(os.uname().machine, 30)
_SET_MEMPOLICY = {"x86_64": 238, "s390x": 270, "ppc64le": 261}.get(os.uname().machine, 237)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mount.argtypes = [
    ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p,
]  # fmt: skip
_libc.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]
_libc.unshare.argtypes = [ctypes.c_int]
_libc.setns.argtypes = [ctypes.c_int, ctypes.c_int]
_libc.statx.argtypes = [
    ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p,
]  # fmt: skip
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_libc.getdents64.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
_libc.getdents64.restype = ctypes.c_ssize_t
_libc.inotify_init1.argtypes = [ctypes.c_int]
_libc.inotify_add_watch.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def _check(result: int, about: StrPath | None = None) -> int:
    if result < 0:
        code = ctypes.get_errno()
        if about is None:
            raise OSError(code, os.strerror(code))
        raise OSError(code, os.strerror(code), os.fspath(about))
    return result


def _syscall(number: int, *args: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    # ctypes would pass an int as a 32 bit C int: the kernel reads whole registers.
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    return int(_libc.syscall(ctypes.c_long(number), *wide))


def mount(
    source: StrPath | None, target: StrPath, fstype: str | None, flags: int, data: str | None = None
) -> None:
    _check(
        _libc.mount(
            None if source is None else os.fsencode(source),
            os.fsencode(target),
            None if fstype is None else fstype.encode(),
            flags,
            None if data is None else os.fsencode(data),
        ),
        target,
    )


def umount2(target: StrPath, flags: int) -> None:
    _check(_libc.umount2(os.fsencode(target), flags), target)


def unshare(flags: int) -> None:
    """Give the calling thread new namespaces (Python has os.unshare only since 3.12)."""
    _check(_libc.unshare(flags))


def setns(fd: int, kind: int, about: StrPath | None = None) -> None:
    """Move the calling thread into the namespace `fd`; `about` is its path, for errors."""
    _check(_libc.setns(fd, kind), about)


def set_thread_euid(uid: int) -> None:
    """Set the effective user of the calling thread only: glibc's wrapper sets it for all."""
    _check(_syscall(_SETRESUID, -1, uid, -1))


def prctl(option: int, arg: int = 0) -> int:
    return _check(_libc.prctl(option, arg, 0, 0, 0))


def statx_mount(path: StrPath) -> tuple[int, bool]:
    """Return the id of the mount of `path`, and whether `path` is that mount's root."""
    raw = _statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, path)
    attributes = int.from_bytes(raw[8:16], "little")
    return _mount_id(raw), bool(attributes & STATX_ATTR_MOUNT_ROOT)


class Statx(NamedTuple):
    """The data of a file in statx(2); `major` and `minor` are those of a device node.

    `device_major` is that of the file system; 0 if it is on no block device.
    """

    uid: int
    gid: int
    mode: int
    major: int
    minor: int
    device_major: int
    mount_id: int


def statx_of(fd: int, about: StrPath) -> Statx:
    """Return the data of the file of the descriptor `fd`; `about` is its path, for errors."""
    raw = _statx(fd, "", AT_EMPTY_PATH, about)
    uid, gid, mode = struct.unpack_from("=IIH", raw, 20)
    major, minor, device_major = struct.unpack_from("=III", raw, 128)
    return Statx(uid, gid, mode, major, minor, device_major, _mount_id(raw))


def _mount_id(raw: bytes) -> int:
    return int(struct.unpack_from("=Q", raw, 144)[0])


def _statx(directory: int, path: StrPath, flags: int, about: StrPath) -> bytes:
    """Call statx with the data in this kernel: no server of a remote file system is asked."""
    raw = ctypes.create_string_buffer(256)
    flags, mask = flags | AT_STATX_DONT_SYNC, STATX_BASIC_STATS | STATX_MNT_ID
    _check(_libc.statx(directory, os.fsencode(path), flags, mask, raw), about)
    return raw.raw


def open_tree(path: StrPath, flags: int) -> int:
    return _check(_syscall(_OPEN_TREE, AT_FDCWD, os.fsencode(path), flags), path)


def open_tree_of(fd: int, about: StrPath, flags: int) -> int:
    """Like `open_tree`, for the object of the descriptor `fd`; `about` is its path, for errors."""
    return _check(_syscall(_OPEN_TREE, fd, b"", flags | AT_EMPTY_PATH), about)


def move_mount(fd: int, target: StrPath) -> None:
    """Attach the detached mount `fd` at `target`."""
    args = (fd, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)
    _check(_syscall(_MOVE_MOUNT, *args), target)


def mount_setattr(
    fd: int,
    about: StrPath,
    *,
    attr_set: int = 0,
    recursive: bool,
    userns: int = 0,
    propagation: int = 0,
) -> None:
    """Set attributes of the mount `fd`, and with `recursive` of all mounts below it.

    MOUNT_ATTR_IDMAP uses the ids of the user namespace `userns`, a descriptor; `propagation` is
    MS_SHARED, MS_SLAVE or MS_PRIVATE; 0 leaves it unchanged.
    """
    attr = _MountAttr(attr_set, 0, propagation, userns)
    raw = ctypes.create_string_buffer(bytes(attr), ctypes.sizeof(attr))
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    _check(_syscall(_MOUNT_SETATTR, fd, b"", flags, raw, ctypes.sizeof(attr)), about)


def fsopen(fstype: str) -> int:
    return _check(_syscall(_FSOPEN, fstype.encode(), FSOPEN_CLOEXEC), fstype)


def fsconfig(fd: int, command: int, key: str | None = None, value: StrPath | None = None) -> None:
    _check(
        _syscall(
            _FSCONFIG,
            fd,
            command,
            None if key is None else key.encode(),
            None if value is None else os.fsencode(value),
            0,
        ),
        value if value is not None else key,
    )


def fsmount(fd: int) -> int:
    return _check(_syscall(_FSMOUNT, fd, FSMOUNT_CLOEXEC, 0))


def openat2(dir_fd: int, path: StrPath, flags: int, resolve: int) -> int:
    how = _OpenHow(flags, 0, resolve)
    raw = ctypes.create_string_buffer(bytes(how), ctypes.sizeof(how))
    args = (dir_fd, os.fsencode(path), raw, ctypes.sizeof(how))
    return _check(_syscall(_OPENAT2, *args), path)


def quotactl_fd(fd: int, command: int, id: int, data: bytes) -> bytes:
    """Call quotactl(2) for the file system of `fd`; return the answer, as long as `data`."""
    raw = ctypes.create_string_buffer(data, len(data))
    _check(_syscall(_QUOTACTL_FD, fd, command, id, raw))
    return raw.raw


def getdents64(fd: int, buffer: "ctypes.Array[ctypes.c_char]") -> bytes:
    """Return the next entries of an open directory in the kernel's format; b"" at the end."""
    size = _check(_libc.getdents64(fd, buffer, ctypes.sizeof(buffer)))
    return ctypes.string_at(buffer, size)


def inotify_init1(flags: int) -> int:
    return _check(_libc.inotify_init1(flags))


def inotify_add_watch(fd: int, path: StrPath, mask: int) -> int:
    return _check(_libc.inotify_add_watch(fd, os.fsencode(path), mask), path)


def sched_setattr(thread: int, attributes: bytes) -> None:
    """Set the scheduler of a thread; `attributes` is a struct sched_attr."""
    _check(_syscall(_SCHED_SETATTR, thread, attributes, 0))


def ioprio_set(which: int, who: int, value: int) -> None:
    _check(_syscall(_IOPRIO_SET, which, who, value))


def set_mempolicy(mode: int, nodes: bytes | None, most: int) -> None:
    """Set the memory policy of this thread; `nodes` is a bit mask of `most` - 1 bits."""
    _check(_syscall(_SET_MEMPOLICY, mode, nodes, most))
