"""Executes a program; it and its children find no free inotify instance.

    python without_inotify.py PROGRAM ARGUMENT...

The kernel's limit applies to a user, and other programs of the user must not be affected. So a
seccomp filter answers like the kernel when all instances are used up.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

_CALLS = {"x86_64": (253, 294), "aarch64": (26,)}  # inotify_init where it exists, inotify_init1
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # of classic BPF
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_PR_SET_SECCOMP, _FILTER = 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def forbid() -> None:
    """Make inotify fail with EMFILE, as when fs.inotify.max_user_instances exist already."""
    lines = [(_LOAD, 0, 0, 0)]  # the number of the system call
    for number in _CALLS[platform.machine()]:
        lines += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.EMFILE)]
    lines.append((_RETURN, 0, 0, _ALLOW))
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    program = _Program(len(lines), code)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")


if __name__ == "__main__":
    forbid()
    os.execv(sys.argv[1], sys.argv[1:])
