"""What processes have open, from /proc. A process that is gone has nothing."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from cri_shim.linux import process


def count(pid: int) -> tuple[int, int]:
    """How many file descriptors the process has, and how many of them are sockets.

    Costs a call to the kernel for each: not for the loop.
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
    """The soft limit `name` ("Max open files") of a /proc/PID/limits; None for no limit."""
    for line in text.splitlines():
        if line.startswith(name):
            soft = line.removeprefix(name).split()[0]
            return int(soft) if soft.isdecimal() else None
    return None


def open_files_limit(pid: int) -> int | None:
    """The soft limit of open files of a process; None when there is neither."""
    try:
        return parse_limit(Path(f"/proc/{pid}/limits").read_text(), "Max open files")
    except (FileNotFoundError, ProcessLookupError):
        return None


def device_name(device: str) -> str:
    """The /dev path of a block device "MAJOR:MINOR"; the numbers where it has none."""
    try:
        return "/dev/" + Path(f"/sys/dev/block/{device}").readlink().name
    except OSError:
        return device


def give_pipes(pid: int, start_time: int, owner: int) -> None:
    """Make `owner` the owner of the pipes among the standard streams of a process.

    What else a stream is stays as it is, and so does everything if the process is gone.
    """
    for number in range(3):
        with suppress(OSError):
            fd = os.open(f"/proc/{pid}/fd/{number}", os.O_PATH | os.O_CLOEXEC)
            try:
                # The descriptor is fixed first: the pid may be another process by now.
                is_pipe = stat.S_ISFIFO(os.fstat(fd).st_mode)
                if is_pipe and process.alive(pid, start_time):
                    os.chown(f"/proc/self/fd/{fd}", owner, -1)
            finally:
                os.close(fd)
