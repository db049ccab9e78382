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
LINE_LIMIT = 1 << 20  # bytes; conmon's lines have 8 KiB of content, containerd's 16
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

    def feed(self, data: bytes) -> list[Entry]:
        """The entries that are whole by now. A line above LINE_LIMIT is no entry."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:LINE_LIMIT]  # enough to know the whole line as one of those
        return list(entries(line for line in lines if len(line) < LINE_LIMIT))

    def forget(self) -> None:
        """The rest of the line that was begun will not come: the file was replaced or cut."""
        self._rest = b""


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


def tail_start(block: bytes, lines: int, wanted: Container[str]) -> int | None:
    """Where in `block`, the end of a file, the last `lines` lines of the streams `wanted` begin.

    A line is what ends with a line break, of as many parts as it may be, or is unfinished at the
    end. None if the block does not reach back to the end of the line before.
    """
    at = end = len(block)
    found, seen = 0, set[str]()  # streams: the last part of each is an end, finished or not
    for line in reversed(block.split(b"\n")):
        entry = parse(line)
        if entry is not None and entry.stream in wanted:
            if not entry.partial or entry.stream not in seen:
                if found == lines:
                    return at
                found += 1
                seen.add(entry.stream)
            at = end - len(line)
        end -= len(line) + 1
    return None
