"""Loop devices: block devices whose content is a file."""

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from cri_shim.linux import syscalls

_CONTROL = "/dev/loop-control"
_GET_FREE, _CONFIGURE = 0x4C82, 0x4C0A
_READ_ONLY, _AUTOCLEAR = 1, 4
_ATTEMPTS = 16  # another process may take the device that was free


class _Config(ctypes.Structure):
    """struct loop_config of linux/loop.h; the rest of its loop_info64 is zero."""

    _fields_ = (
        ("fd", ctypes.c_uint32),
        ("block_size", ctypes.c_uint32),
        ("before_flags", ctypes.c_uint8 * 52),
        ("flags", ctypes.c_uint32),
        ("after_flags", ctypes.c_uint8 * 176),
        ("reserved", ctypes.c_uint64 * 8),
    )


@contextmanager
def attached(file: syscalls.StrPath) -> Iterator[str]:
    """Yield the path of a read-only loop device of `file`; it ends with its last user. OSError."""
    source = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        device, path = _configured(source)
    finally:
        os.close(source)
    try:
        yield path
    finally:
        os.close(device)


def _configured(source: int) -> tuple[int, str]:
    control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    config = bytes(_Config(fd=source, flags=_READ_ONLY | _AUTOCLEAR))
    try:
        for _ in range(_ATTEMPTS):
            path = f"/dev/loop{fcntl.ioctl(control, _GET_FREE)}"
            device = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.ioctl(device, _CONFIGURE, config)
            except OSError as e:
                os.close(device)
                if e.errno != errno.EBUSY:
                    raise
                continue
            return device, path
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), _CONTROL)
