"""Reads a container's log file from any position and follows it while it is written.

The container's monitor writes it, in the CRI's format. A file that is renamed, and replaced by the
monitor's new one, is read to its end first; one that is truncated is read from its start again.
"""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cri_shim.aio import outside
from cri_shim.errors import InvalidArgument, ToolFailed
from cri_shim.linux import inotify
from cri_shim.linux.inotify import Inotify
from cri_shim.wire import cri_log
from cri_shim.wire.cri_log import LogEntry

POLL_S = 1.0  # the largest delay of new lines if inotify reports nothing
_BLOCK = 1 << 18  # bytes of one read, in a thread
_LONGEST_TIME = 64  # bytes
TAIL_LIMIT = 1 << 29  # bytes, read in some tenths of a second; a log usually rotates at 10 MiB
_CHANGED = inotify.IN_MODIFY | inotify.IN_CREATE | inotify.IN_MOVED_TO

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A part of a log: `since` is in nanoseconds since the epoch; `tail` in lines, None is all."""

    since: int = 0
    tail: int | None = None
    streams: frozenset[str] = frozenset({"stdout", "stderr"})

    def __post_init__(self) -> None:
        if self.tail is not None and self.tail < 0:
            raise InvalidArgument("tail", f"{self.tail} is no number of lines")


async def read(
    path: Path, query: LogQuery, ended: "asyncio.Future[Any] | None" = None
) -> AsyncGenerator[LogEntry, None]:
    """Yield the entries of a log file; with `ended`, also the new ones until `ended` is done.

    An error of `ended` is raised at the end. A file that does not exist yet counts as empty.
    ToolFailed if it cannot be read; Unavailable if its file system does not answer.
    """
    watched = path.parent if ended is not None else None
    with closing(_LogFile(path)) as file, closing(_Changes(watched)) as changes:
        if query.tail is not None:
            await _look(path, file.to_tail, query.tail, query.streams)
        while True:
            last = ended is None or ended.done()  # checked before the read: then all is written
            await changes.arm()
            while (entries := await _look(path, file.next_entries)) is not None:
                for entry in entries:
                    if entry.stream in query.streams and _recent(entry, query.since):
                        yield entry
            if last:
                break
            assert ended is not None
            await changes.wait(ended)
        if ended is not None:
            ended.result()


async def begin(path: Path) -> int | None:
    """Return the time of a log's first line, in nanoseconds since the epoch; None if it has none.

    ToolFailed if it cannot be read; Unavailable if its file system does not answer.
    """
    with closing(_LogFile(path)) as file:
        time = await _look(path, file.first_word)
    try:
        return cri_log.moment(time.decode(errors="replace"))
    except InvalidArgument:
        return None


async def _look(path: Path, call: Callable[..., T], *args: Any) -> T:
    """Run `call` in a thread; a call that hangs is abandoned, and later meets a closed file."""
    try:
        return await outside.look(str(path), call, *args)
    except OSError as e:
        raise ToolFailed(f"cannot read the log {path}: {e.strerror}") from e


def _recent(entry: LogEntry, since: int) -> bool:
    if not since:
        return True
    try:
        return entry.nanoseconds() >= since
    except InvalidArgument:  # not a time: the entry may be recent
        return True


class _LogFile:
    """Reads a file from the position of the last read; blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._at = 0
        self._closed = False
        self._parser = cri_log.Parser()

    def to_tail(self, lines: int, streams: frozenset[str]) -> None:
        """Begin with the last `lines` lines, as far as they are in the last TAIL_LIMIT bytes."""
        if not self._open():
            return
        end = os.fstat(self._fd).st_size
        tail = cri_log.Tail(lines, streams, end)
        found = None
        least = max(0, end - TAIL_LIMIT)
        while end > least and found is None:
            begin = max(0, end - _BLOCK)
            found = tail.before(os.pread(self._fd, end - begin, begin))
            end = begin
        if found is None:
            found = tail.earliest if end else tail.start()
        self._at = found or 0

    def first_word(self) -> bytes:
        """Return what comes before the first space: the time of the first line."""
        if not self._open():
            return b""
        word, space, _ = os.pread(self._fd, _LONGEST_TIME, 0).partition(b" ")
        return word if space else b""

    def next_entries(self) -> list[LogEntry] | None:
        """Return the next entries, possibly none; None if there is nothing new."""
        if self._fd < 0 and not self._open():
            return None
        data = self._read()
        if not data and os.fstat(self._fd).st_size < self._at:  # it was truncated
            self._at = 0
            self._parser.forget()
            data = self._read()
        if not data and self._replaced():
            # The monitor writes to the new file: the old file is complete now.
            data = self._read()
            if not data:
                self._close_file()
                return []
        self._at += len(data)
        return self._parser.feed(data) if data else None

    def _read(self) -> bytes:
        return os.pread(self._fd, _BLOCK, self._at)

    def _open(self) -> bool:
        """Open the file, if it exists. Other programs may have put it in the directory."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            fd = os.open(self._path, flags)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "is not a regular file")
        self._fd = fd
        if self._closed:
            self._close_file()
        return not self._closed

    def _replaced(self) -> bool:
        try:
            return not os.path.samestat(self._path.lstat(), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def _close_file(self) -> None:
        fd, self._fd, self._at = self._fd, -1, 0
        if fd >= 0:
            os.close(fd)
        self._parser.forget()

    def close(self) -> None:
        """Close it forever: a read that hangs, and ends later, leaves nothing open."""
        self._closed = True
        self._close_file()


class _Changes:
    """Wakes `wait` when a file in a directory changes: only a hint, the poll decides."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._inotify: Inotify | None = None
        self._event = asyncio.Event()

    def close(self) -> None:
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fileno())
            self._inotify.close()

    async def arm(self) -> None:
        """Call this before a read: later changes wake `wait`."""
        self._event.clear()
        if self._directory is None or self._inotify is not None:
            return
        try:
            watch = await outside.look(
                str(self._directory), _watch, self._directory, discard=lambda made: made.close()
            )
        except OSError:
            return  # no such directory yet, or no free inotify instance: the poll replaces it
        self._inotify = watch
        asyncio.get_running_loop().add_reader(watch.fileno(), self._read)

    def _read(self) -> None:
        if self._inotify is not None and self._inotify.read():
            self._event.set()

    async def wait(self, ended: "asyncio.Future[Any]") -> None:
        """Return when something changed, `ended` is done, or POLL_S have passed."""
        event = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait({event, ended}, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            event.cancel()


def _watch(directory: Path) -> Inotify:
    watch = Inotify()
    try:
        watch.add(directory, _CHANGED)
    except BaseException:
        watch.close()
        raise
    return watch
