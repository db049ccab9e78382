"""Mounts a file that has an EROFS file system: from Linux 6.12 on itself, before by a loop device.

Each mount has a page cache of its own. So who needs a file system several times mounts it once and
uses that mount.
"""

import errno
import os

from cri_shim.linux import loop, syscalls


def mount(file: syscalls.StrPath, target: syscalls.StrPath) -> None:
    """Mount the file system in `file` at `target`, read-only. OSError."""
    try:
        tree = _detached(file)
    except OSError as e:
        if e.errno != errno.ENOTBLK:
            raise
        with loop.attached(file) as device:
            tree = _detached(device)
    try:
        syscalls.move_mount(tree, target)
    finally:
        os.close(tree)


def _detached(source: syscalls.StrPath) -> int:
    context = syscalls.fsopen("erofs")
    try:
        syscalls.fsconfig(context, syscalls.FSCONFIG_SET_STRING, "source", source)
        syscalls.fsconfig(context, syscalls.FSCONFIG_SET_FLAG, "ro")
        syscalls.fsconfig(context, syscalls.FSCONFIG_CMD_CREATE)
        return syscalls.fsmount(context)
    except OSError as e:
        raise OSError(e.errno, e.strerror, os.fspath(source)) from e
    finally:
        os.close(context)
