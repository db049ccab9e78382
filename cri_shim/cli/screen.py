"""Lines that are drawn again and again: over each other on a terminal, else below each other."""

import os
import sys
from collections.abc import Sequence
from typing import TextIO

from cri_shim.cli.terminal import size as terminal_size

COLUMNS, _ROWS = 80, 24  # of a terminal that does not know its size
_CLEAR = "\x1b[H\x1b[2J"


def is_live(stream: TextIO) -> bool:
    """Return whether the stream is a terminal whose cursor can be moved."""
    return stream.isatty() and os.environ.get("TERM", "ansi") not in ("", "dumb")


def size() -> tuple[int, int]:
    """Return columns and lines of the terminal; usual ones if it does not know its size."""
    columns, rows = terminal_size() or (0, 0)
    return columns or COLUMNS, rows or _ROWS


class Screen:
    """Draws lines over the lines before, if it is live; else below them, if they differ."""

    def __init__(self, live: bool, stream: TextIO | None = None) -> None:
        self.live = live
        self._stream = stream or sys.stdout
        self._before: list[str] = []
        self._size = (0, 0)

    def columns(self) -> int:
        """Return the width that lines may have."""
        return size()[0] if self.live else COLUMNS

    def draw(self, lines: Sequence[str]) -> None:
        if not self.live:
            if list(lines) != self._before:
                print("\n".join(lines), file=self._stream, flush=True)
            self._before = list(lines)
            return
        columns, rows = now = size()
        lines = [line[: columns - 1] for line in lines[: rows - 1]]
        up = f"\x1b[{len(self._before)}A" if self._before else ""
        if self._before and now != self._size:  # the terminal has wrapped the lines anew
            up = _CLEAR
        text = up + "".join(f"\r\x1b[K{line}\n" for line in lines) + "\x1b[J"
        print(text, end="", file=self._stream, flush=True)
        self._before, self._size = list(lines), now
