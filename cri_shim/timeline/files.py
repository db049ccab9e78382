"""The files of timelines: one for each pod, in one directory. All of this blocks."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from cri_shim.linux.privacy import make_private, write_private
from cri_shim.timeline import lines
from cri_shim.timeline.entry import Entry
from cri_shim.untrusted import read_file

MOST_PODS = 1_000
MOST_BYTES = 32 << 10  # of a pod; one with three containers has 5 KiB
_KEPT = MOST_BYTES // 4  # bytes of the first, and of the newest entries, of a file that is full
_ID = re.compile(r"[0-9a-f]{64}")


class Files:
    """One thread at a time uses it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ids: dict[str, None] | None = None  # the pod that was written last is the last one

    def ids(self) -> list[str]:
        """Return the ids of the pods, the one that was written last first."""
        return list(reversed(self._known()))

    def append(self, id: str, entries: Sequence[Entry]) -> None:
        """Add entries of a pod. OSError."""
        if _ID.fullmatch(id) is None:
            return
        known = self._known()
        known.pop(id, None)
        known[id] = None
        while len(known) > MOST_PODS:
            self._forget(next(iter(known)))
        # The end of the line comes first, too: what a torn write has left is a line of its own.
        data = b"".join(b"\n" + lines.encode(entry) + b"\n" for entry in entries)
        if self._size(id) + len(data) > MOST_BYTES:
            write_private(self._path(id), _shortened(self._read(id) + data))
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            fd = os.open(self._path(id), flags | os.O_NONBLOCK, 0o600)
        except FileNotFoundError:  # the directory was removed
            make_private(self.directory)
            fd = os.open(self._path(id), flags | os.O_NONBLOCK, 0o600)
        try:
            os.write(fd, data)  # a short write tears a line
        finally:
            os.close(fd)

    def entries(self, id: str) -> Iterator[Entry]:
        """Yield the entries of a pod in the order of their ends; none if it has no file."""
        if _ID.fullmatch(id) is not None:
            found = map(lines.decode, filter(None, self._read(id).split(b"\n")))
            yield from (entry for entry in found if entry is not None)

    def _known(self) -> dict[str, None]:
        if self._ids is None:
            make_private(self.directory)
            with os.scandir(self.directory) as entries:
                found = [(e.stat(follow_symlinks=False).st_mtime_ns, e.name) for e in entries]
            self._ids = {name: None for _, name in sorted(found) if _ID.fullmatch(name)}
            for _, name in found:
                if name.startswith("."):  # a draft of a daemon that was killed
                    self._path(name).unlink(missing_ok=True)
        return self._ids

    def _forget(self, id: str) -> None:
        self._known().pop(id, None)
        with suppress(OSError):
            self._path(id).unlink()

    def _path(self, id: str) -> Path:
        return self.directory / id

    def _size(self, id: str) -> int:
        try:
            return self._path(id).lstat().st_size
        except FileNotFoundError:
            return 0

    def _read(self, id: str) -> bytes:
        try:
            return read_file(self._path(id), MOST_BYTES)
        except (OSError, ValueError):  # it has none, or one that we have not written
            return b""


def _shortened(data: bytes) -> bytes:
    """Leave out the lines in the middle, so that there is space for new ones."""
    whole = [line + b"\n" for line in data.split(b"\n") if line]
    first = _fitting(whole)
    newest = _fitting(whole[: len(first) - 1 if first else None : -1])
    return b"".join([*first, *reversed(newest)])


def _fitting(whole: Sequence[bytes]) -> list[bytes]:
    taken, size = list[bytes](), 0
    for line in whole:
        size += len(line)
        if size > _KEPT and taken:
            break
        taken.append(line)
    return taken
