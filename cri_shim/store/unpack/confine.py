"""Confines this process to a directory, with only the capabilities that extraction needs."""

import ctypes
import os
import resource

from cri_shim.linux import syscalls

MEMORY_LIMIT = 1 << 30  # bytes of address space: a hostile archive exhausts this, not the node
_PR_SET_NO_NEW_PRIVS, _CAPSET_V3 = 38, 0x20080522
# CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID MKNOD SETFCAP, and SYS_ADMIN for trusted.* xattrs
_KEEP = sum(1 << bit for bit in (0, 1, 2, 3, 4, 27, 31, 21))


def confine(directory: str, capabilities: int = _KEEP) -> None:
    """Make `directory` the root; call it before the first thread and after the last import."""
    os.umask(0)
    os.chroot(directory)
    os.chdir("/")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPSET_V3, 0)
    own = (ctypes.c_uint32 * 6)()
    if libc.capget(header, own) != 0:
        raise OSError(ctypes.get_errno(), "cannot read the capabilities of this process")
    low, high = capabilities & 0xFFFFFFFF, capabilities >> 32
    for index, mask in enumerate((low, low, 0, high, high, 0)):  # effective, permitted, inheritable
        own[index] &= mask
    if libc.capset(header, own) != 0:
        raise OSError(ctypes.get_errno(), "cannot give up capabilities")


def enter(directory: str) -> None:
    """Confine this process to a directory to which a container may write meanwhile.

    It gets a mount of its own: nothing that is mounted below it is there, and no device opens.
    """
    mount = syscalls.open_tree(directory, syscalls.OPEN_TREE_CLONE | os.O_CLOEXEC)
    syscalls.mount_setattr(mount, directory, attr_set=syscalls.MOUNT_ATTR_NODEV, recursive=False)
    confine(f"/proc/self/fd/{mount}")
