"""The open files of processes, from /proc. A process that is gone has none."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from cri_shim.linux import process


def count(pid: int) -> tuple[int, int]:
    """Return the number of file descriptors of the process, and how many of them are sockets.

    This needs a system call for each: do not call it on the event loop.
    """
    every = sockets = 0
    directory = f"/proc/{pid}/fd"
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                every += 1
                sockets += _is_socket(entry.path)
    except OSError:  # gone, or a kernel thread
        return every, sockets
    return every, sockets


def _is_socket(path: str) -> bool:
    try:
        return os.readlink(path).startswith("socket:")  # noqa: PTH115
    except OSError:
        return False


def parse_limit(text: str, name: str) -> int | None:
    """Parse the soft limit `name` ("Max open files") in a /proc/PID/limits; None for no limit."""
    for line in text.splitlines():
        if line.startswith(name):
            soft = line.removeprefix(name).split()[0]
            return int(soft) if soft.isdecimal() else None
    return None


def open_files_limit(pid: int) -> int | None:
    """Return the soft limit of open files of a process; None without a limit or a process."""
    try:
        return parse_limit(Path(f"/proc/{pid}/limits").read_text(), "Max open files")
    except (FileNotFoundError, ProcessLookupError):
        return None


def device_name(device: str) -> str:
    """Return the /dev path of a block device "MAJOR:MINOR"; the numbers if it has no path."""
    try:
        return "/dev/" + Path(f"/sys/dev/block/{device}").readlink().name
    except OSError:
        return device


def give_pipes(pid: int, start_time: int, owner: int) -> None:
    """Make `owner` the owner of the pipes among the standard streams of a process.

    Streams of other types stay unchanged; if the process is gone, everything stays unchanged.
    """
    for number in range(3):
        with suppress(OSError):
            fd = os.open(f"/proc/{pid}/fd/{number}", os.O_PATH | os.O_CLOEXEC)
            try:
                # The descriptor is fixed first: another process may have the pid now.
                is_pipe = stat.S_ISFIFO(os.fstat(fd).st_mode)
                if is_pipe and process.alive(pid, start_time):
                    os.chown(f"/proc/self/fd/{fd}", owner, -1)
            finally:
                os.close(fd)
