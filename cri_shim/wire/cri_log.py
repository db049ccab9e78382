"""The log that a container's monitor writes, in the CRI's format: `TIME STREAM TAGS CONTENT`.

There is a line for each. TIME is RFC 3339 with up to nine digits of a second. The first tag is P
where the content goes on in the next line of the same stream, F where it ends with a line break.
"""

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cri_shim.errors import InvalidArgument

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
MAX_LINE = 1 << 20  # bytes; monitors cut lines at some KiB, what is longer is none of theirs
_HEAD = 256  # bytes of a line, more than its time, stream and tags
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file."""

    time: str
    stream: str  # "stdout" or "stderr"
    partial: bool
    content: bytes

    def written(self) -> bytes:
        """What the container wrote, with its line break if there was one."""
        return self.content if self.partial else self.content + b"\n"

    def nanoseconds(self) -> int:
        """When it was written, in nanoseconds since the epoch."""
        return moment(self.time)


class Parser:
    """Bytes in, entries out; what is no line of the format is passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._too_long = False  # the line in hand

    def feed(self, data: bytes) -> list[Entry]:
        """The entries that are whole by now."""
        *lines, rest = (self._rest + data).split(b"\n")
        if lines and self._too_long:
            del lines[0]
            self._too_long = False
        self._rest = b"" if self._too_long else rest
        if len(rest) > MAX_LINE:
            self._rest, self._too_long = b"", True
        return list(entries(lines))

    def forget(self) -> None:
        """The rest of the line that was begun will not come: the file was replaced or cut."""
        self._rest, self._too_long = b"", False


def entries(lines: Iterable[bytes]) -> Iterable[Entry]:
    """The entries among `lines`, which have no line breaks any more."""
    for line in lines:
        if (entry := parse(line)) is not None:
            yield entry


def parse(line: bytes) -> Entry | None:
    """One line without its line break; None for what is none of the format."""
    parts = line.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    time, stream, tags, content = (*parts, b"")[:4]
    partial = tags.split(b":", 1)[0] == b"P"
    return Entry(time.decode(errors="replace"), stream.decode(), partial, content)


def moment(text: str) -> int:
    """Nanoseconds since the epoch of a time as the log has it; InvalidArgument for another text."""
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
    """Where the last `lines` lines of the streams `wanted` begin, in a file of `size` bytes.

    A line is what ends with a line break, of as many parts as it may be, or is unfinished at the
    end. The file is given by blocks from its end to its start; no more than one is kept.
    """

    def __init__(self, lines: int, wanted: Container[str], size: int) -> None:
        self._lines, self._wanted = lines, wanted
        self._at = self._end = size  # where the tail begins, and where the line in hand ends
        self._found, self._seen = 0, set[str]()  # streams: the last part of each is an end
        self._head, self._length = b"", 0  # of the line in hand, as far as it was given

    def before(self, block: bytes) -> int | None:
        """Look at the block before those given until now. The offset, once it is known."""
        first, *lines = block.split(b"\n")
        while lines:
            if (at := self._take(lines.pop())) is not None:
                return at
        self._head = (first + self._head)[:_HEAD]
        self._length += len(first)
        return None

    def start(self) -> int | None:
        """The same when the file has no block before."""
        return self._take(b"")

    @property
    def earliest(self) -> int:
        """Where the earliest of the lines found until now begins."""
        return self._at

    def _take(self, beginning: bytes) -> int | None:
        """The line in hand is whole with its `beginning`; in hand is the one before."""
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


def tail_start(block: bytes, lines: int, wanted: Container[str]) -> int | None:
    """Where in `block`, the end of a file, the last `lines` lines of the streams `wanted` begin.

    None if the block does not reach back to the end of the line before.
    """
    tail = Tail(lines, wanted, len(block))
    found = tail.before(block)
    return tail.start() if found is None else found
