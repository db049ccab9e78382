"""Processes by descriptor: it means one process forever, and is readable after its end."""

import errno
import fcntl
import os
import signal
import struct

from cri_shim.aio.child import exit_code
from cri_shim.linux import process

_INFO = struct.Struct("=QQ11Ii")  # struct pidfd_info, its first version of 64 bytes
_INFO_EXIT = 1 << 3
_GET_INFO = 3 << 30 | _INFO.size << 16 | 0xFF << 8 | 11  # _IOWR(PIDFS_IOCTL_MAGIC, 11, ...)


def open_verified(pid: int, start_time: int) -> int | None:
    """Return a pidfd of the process with that pid and start time; None if it is gone from /proc.

    A zombie is still there: its descriptor is readable at once. The caller closes it.
    """
    fd = open_now(pid)
    # The descriptor is fixed first: if the pid has the right start time now, it had it then.
    if fd is not None and process.start_time(pid) != start_time:
        os.close(fd)
        return None
    return fd


def open_now(pid: int) -> int | None:
    """Return a pidfd of the process that has this pid now; None if there is none."""
    try:
        return os.pidfd_open(pid)
    except OSError as e:
        if e.errno in (errno.ESRCH, errno.EINVAL):  # EINVAL: a thread has this id now
            return None
        raise


def exit_status(pidfd: int) -> int | None:
    """Return the exit status of a reaped process: 0..255, or 128 + signal; None if unknown.

    Known from Linux 6.15 on, if the pidfd was opened before the process was reaped. None also
    while it runs or is a zombie.
    """
    buffer = bytearray(_INFO.pack(_INFO_EXIT, *[0] * 13))
    try:
        fcntl.ioctl(pidfd, _GET_INFO, buffer)
    except OSError:  # ENOTTY: an old kernel; ESRCH: gone and not remembered
        return None
    mask, *_, status = _INFO.unpack(buffer)
    if not mask & _INFO_EXIT:
        return None
    return exit_code(os.waitstatus_to_exitcode(status))


def send(pidfd: int, number: int) -> bool:
    """Send a signal; False if the process had already ended."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    return True
