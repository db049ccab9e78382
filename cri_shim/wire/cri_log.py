"""The log file that conmon writes for a container, in the CRI's format.

Each line is `TIME STREAM TAGS CONTENT`. TIME is RFC 3339 with up to nine digits of a second. The
first tag is P if the content continues in the next line of the same stream, and F if the content
ends with a line break.
"""

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cri_shim.errors import InvalidArgument

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
MAX_LINE = 1 << 20  # bytes; monitors cut lines at a few KiB, so a longer line is not from them
_HEAD = 256  # bytes; more than the time, stream and tags of a line need
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the file."""

    time: str
    stream: str  # "stdout" or "stderr"
    partial: bool
    content: bytes

    def written(self) -> bytes:
        """Return what the container wrote, with the line break if there was one."""
        return self.content if self.partial else self.content + b"\n"

    def nanoseconds(self) -> int:
        """Return the time of the line in nanoseconds since the epoch."""
        return moment(self.time)


class Parser:
    """Bytes in, entries out. Lines that do not have the format are skipped."""

    def __init__(self) -> None:
        self._rest = b""
        self._too_long = False  # whether the current line is longer than MAX_LINE

    def feed(self, data: bytes) -> list[LogEntry]:
        """Take the next bytes; return the entries that are complete now."""
        *lines, rest = (self._rest + data).split(b"\n")
        if lines and self._too_long:
            del lines[0]
            self._too_long = False
        self._rest = b"" if self._too_long else rest
        if len(rest) > MAX_LINE:
            self._rest, self._too_long = b"", True
        return list(entries(lines))

    def forget(self) -> None:
        """Drop the incomplete line: the file was replaced or truncated."""
        self._rest, self._too_long = b"", False


def entries(lines: Iterable[bytes]) -> Iterable[LogEntry]:
    """Yield the entries among `lines`, which have no line breaks."""
    for line in lines:
        if (entry := parse(line)) is not None:
            yield entry


def parse(line: bytes) -> LogEntry | None:
    """Parse one line without its line break; None if it does not have the format."""
    parts = line.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    time, stream, tags, content = (*parts, b"")[:4]
    partial = tags.split(b":", 1)[0] == b"P"
    return LogEntry(time.decode(errors="replace"), stream.decode(), partial, content)


def moment(text: str) -> int:
    """Convert a time of the log to nanoseconds since the epoch. Raises InvalidArgument."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise InvalidArgument("", f"{text!r} is no time as 2025-01-31T12:00:00.5Z (RFC 3339)")
    day, clock, fraction, zone = found.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{clock}{zone.upper().replace('Z', '+00:00')}")
    except ValueError as e:
        raise InvalidArgument("", f"{text!r}: {e}") from e
    whole = at - _EPOCH
    return (whole.days * 86400 + whole.seconds) * 10**9 + int((fraction or "0").ljust(9, "0"))


class Tail:
    """Finds where the last `lines` lines of the streams `query` begin, in a file of `size` bytes.

    A line has one or more parts and ends with a line break; the last one may be unfinished. The
    caller passes the blocks of the file from its end to its start; at most one block is kept.
    """

    def __init__(self, lines: int, query: Container[str], size: int) -> None:
        self._lines, self._wanted = lines, query
        self._at = self._end = size  # where the tail begins, and where the current line ends
        self._found, self._seen = 0, set[str]()  # `_seen`: streams of which a part was found
        self._head, self._length = b"", 0  # what is known of the current line

    def before(self, block: bytes) -> int | None:
        """Search the block before those searched so far. Return the offset once it is known."""
        first, *lines = block.split(b"\n")
        while lines:
            if (at := self._take(lines.pop())) is not None:
                return at
        self._head = (first + self._head)[:_HEAD]
        self._length += len(first)
        return None

    def start(self) -> int | None:
        """Like `before`, for the start of the file: there is no earlier block."""
        return self._take(b"")

    @property
    def earliest(self) -> int:
        """Where the earliest line found so far begins."""
        return self._at

    def _take(self, beginning: bytes) -> int | None:
        """Complete the current line with its `beginning`; the line before it becomes current."""
        entry = parse((beginning + self._head)[:_HEAD])
        length = len(beginning) + self._length
        if entry is not None and entry.stream in self._wanted:
            if not entry.partial or entry.stream not in self._seen:
                if self._found == self._lines:
                    return self._at
                self._found += 1
                self._seen.add(entry.stream)
            self._at = self._end - length
        self._end -= length + 1
        self._head, self._length = b"", 0
        return None
