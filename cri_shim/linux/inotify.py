"""Changes of files and directories, for a reader of the asyncio loop.

    watch = Inotify()
    watch.add(directory, CHANGED)
    loop.add_reader(watch, lambda: handle(watch.read()))

Events are a hint: the kernel drops some when the queue is full (and sends IN_Q_OVERFLOW), and sends
none for changes that another machine makes on a shared file system.
"""

import os
import struct
from dataclasses import dataclass

from cri_shim.linux import syscalls

IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800

# The entries of a directory have changed: a finished write, a rename, a removal.
CHANGED = (
    IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_CREATE
    | IN_DELETE_SELF | IN_MOVE_SELF
)  # fmt: skip

_EVENT = struct.Struct("iIII")  # wd, mask, cookie, length of the name that follows
_READ = 1 << 16


@dataclass(frozen=True, slots=True)
class Event:
    """An event `mask` under watch `wd`, for the entry `name` ("" for the watched object itself)."""

    wd: int
    mask: int
    name: str


class Inotify:
    """An inotify instance; a user may have few (fs.inotify.max_user_instances), so share it."""

    def __init__(self) -> None:
        try:
            self._fd = syscalls.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as e:
            hint = "no inotify instance is left (raise fs.inotify.max_user_instances)"
            raise OSError(e.errno, f"{hint}: {e.strerror}") from e

    def fileno(self) -> int:
        return self._fd

    def add(self, path: syscalls.StrPath, mask: int) -> int:
        """Watch `path`; return the watch's number, the same one for a path watched before."""
        return syscalls.inotify_add_watch(self._fd, path, mask)

    def read(self) -> list[Event]:
        """Return the events since the last read, possibly none, without waiting."""
        try:
            data = os.read(self._fd, _READ)
        except BlockingIOError:
            return []
        return parse(data)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> "Inotify":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def parse(data: bytes) -> list[Event]:
    """Parse the data of an inotify descriptor."""
    events: list[Event] = []
    at = 0
    while at < len(data):
        wd, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        name = data[at : at + length].rstrip(b"\0")
        at += length
        events.append(Event(wd, mask, os.fsdecode(name)))
    return events
