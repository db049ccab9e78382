"""The files of the audit record: FILE, then FILE.1 (the newest of the full ones), FILE.2, ...

A file that has reached its size is renamed, and the chain continues in a new one. The oldest is
deleted. All functions block. A line is appended by one write; what a full disk takes only in part
is continued by the next write, so a line is torn only if the daemon dies at that moment. The next
start ends a torn line with a newline, and its first line has the hash of the torn bytes.
"""

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cri_shim.audit import chain
from cri_shim.audit.chain import Link

_MODE = 0o600
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_TAIL = 2 * chain.MAX_LINE  # bytes in which the last whole line is found
BROKEN = ".broken"  # the suffix of a file that the chain cannot continue


class Files:
    """Appends lines. `max_size` is in bytes; `max_files`, 2 or more, counts FILE, too."""

    def __init__(self, file: Path, *, max_size: int, max_files: int) -> None:
        self._file = file
        self._max_size, self._max_files = max_size, max_files
        self._fd = -1
        self._size = 0
        self._rest = b""  # bytes of a line that the disk did not take
        self.last = Link()

    def open(self) -> dict[str, Any]:
        """Continue the chain of the file, or begin one; return the first entry. OSError."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        start: dict[str, Any] = {"time": now(), "event": "start", "pid": os.getpid()}
        whole, torn = _split(_tail(self._file))
        if not whole and (older := rotated(self._file)):
            whole, _ = _split(_tail(older[-1]))
        try:
            if whole:
                _, self.last = chain.opened(whole)
        except ValueError as e:
            broken = self._file.with_name(f"{self._file.name}{BROKEN}")
            self._file.replace(broken)
            start |= {"broken": str(broken), "problem": str(e)}
            torn = b""
        self._begin()
        if torn:
            self._end_torn(torn, start)
        return start

    def _end_torn(self, torn: bytes, start: dict[str, Any]) -> None:
        """End a line that the last daemon did not finish; only its newline may be missing."""
        self._rest = b"\n"
        try:
            _, self.last = chain.opened(torn)
        except ValueError:
            start["torn"] = hashlib.sha256(torn).hexdigest()

    def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Append a line for each entry, let the disk have them, and rotate.

        After an OSError the lines are kept: call it again, without them, until it succeeds.
        """
        for entry in entries:
            line, self.last = chain.sealed(entry, self.last)
            self._rest += line
        if self._fd < 0:
            self._begin()
        while self._rest:
            count = os.write(self._fd, self._rest)
            self._rest = self._rest[count:]
            self._size += count
        os.fdatasync(self._fd)
        if self._size >= self._max_size:
            self._rotate()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _begin(self) -> None:
        self._fd = os.open(self._file, _FLAGS, _MODE)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(self._max_files - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._numbered(number - 1).rename(self._numbered(number))  # replaces the oldest
        self._begin()

    def _numbered(self, number: int) -> Path:
        return self._file if not number else Path(f"{self._file}.{number}")


def rotated(file: Path) -> list[Path]:
    """Return the rotated files that exist, the oldest first."""
    found: dict[int, Path] = {}
    for path in file.parent.glob(f"{file.name}.*") if file.parent.is_dir() else ():
        number = path.name.removeprefix(f"{file.name}.")
        if number.isascii() and number.isdigit() and path.is_file():
            found[int(number)] = path
    return [found[number] for number in sorted(found, reverse=True)]


def now() -> str:
    """Return the time in RFC 3339, in microseconds and UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _tail(file: Path) -> bytes:
    """Return the end of a file; nothing if there is none."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        size = os.fstat(fd).st_size
        return os.pread(fd, _TAIL, max(0, size - _TAIL))
    finally:
        os.close(fd)


def _split(tail: bytes) -> tuple[bytes, bytes]:
    """Return the last whole line without its newline, and what follows it."""
    text, newline, torn = tail.rpartition(b"\n")
    return (text.rpartition(b"\n")[2], torn) if newline else (b"", torn)
