"""Writes log entries: those of stdout to stdout, those of stderr to stderr."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cri_shim.wire.cri_log import LogEntry

MAX_HELD = 1 << 16  # bytes of an incomplete line that are held back; more is written as a line


class Writer:
    """The writer of one log. `prefix` begins each line, `limit` is the most bytes of content.

    With a prefix, a line is written when it is complete: the lines of several logs do not mix.
    """

    def __init__(self, *, timestamps: bool, prefix: str = "", limit: int | None = None) -> None:
        self._timestamps = timestamps
        self._prefix = prefix.encode()
        self._left = limit
        self._within = {"stdout": False, "stderr": False}  # whether a line is incomplete
        self._held = {"stdout": b"", "stderr": b""}

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self._left is not None and self._left <= 0

    def write(self, entry: "LogEntry") -> None:
        data = entry.written()
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        begin = b"" if self._within[entry.stream] else self._begin(entry)
        self._within[entry.stream] = entry.partial
        if not self._prefix:
            self._out(entry.stream, begin + data)
            return
        line = self._held[entry.stream] + begin + data
        if entry.partial and not self.full and len(line) < MAX_HELD:
            self._held[entry.stream] = line
            return
        self._held[entry.stream] = b""
        if entry.partial:
            self._within[entry.stream] = False
        self._out(entry.stream, line if line.endswith(b"\n") else line + b"\n")

    def end(self) -> None:
        """Write the incomplete lines that are held back."""
        for stream, held in self._held.items():
            if held:
                self._out(stream, held + b"\n")
                self._held[stream] = b""

    def _begin(self, entry: "LogEntry") -> bytes:
        time = entry.time.replace("+00:00", "Z").encode() + b" " if self._timestamps else b""
        return self._prefix + time

    def _out(self, stream: str, data: bytes) -> None:
        to = (sys.stderr if stream == "stderr" else sys.stdout).buffer
        to.write(data)
        to.flush()
