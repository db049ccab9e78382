"""Tables that fit a terminal: the least important columns are left out, then long texts are cut.

A table that goes into a pipe or a file has every column at its whole width.
"""

import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cri_shim.untrusted import one_line

_GAP, _NARROW_GAP = 3, 2  # spaces between columns: as kubectl has them, and on a narrow terminal
_READABLE = 16  # characters of a text that is cut; a column is left out before it gets less
_LEAST = 8  # as few as that if no column is left to leave out

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column: its head, and the text of its cell in a row.

    `rank`: columns with the highest are left out first on a narrow terminal, those with 0 never.
    `wide`: shown only by `-o wide`. `cut`: long texts may be cut; never set it for an id.
    """

    head: str
    cell: Callable[[Row], str]
    rank: int = 0
    wide: bool = False
    cut: bool = False


def terminal_width() -> int | None:
    """Return the columns of the terminal on standard output; None if it is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError, AttributeError):
        return None


def wrapped(text: str) -> str:
    """Return a text in lines that fit the terminal; in one line if there is no terminal."""
    width = terminal_width()
    if width is None:
        return text
    return textwrap.fill(text, max(width, _LEAST), subsequent_indent="  ", break_on_hyphens=False)


def lines(
    columns: Sequence[Column[Row]],
    rows: Iterable[Row],
    *,
    width: int | None = None,
    headers: bool = True,
) -> list[str]:
    """Return the lines of a table that fits `width`, if possible. Cells are printable."""
    cells = [[one_line(column.cell(row)) for column in columns] for row in rows]
    if headers:
        cells.insert(0, [column.head for column in columns])
    natural = [max((len(line[i]) for line in cells), default=0) for i in range(len(columns))]
    shown, widths, gap = _fit(columns, natural, width)
    return [(" " * gap).join(_cell(line[i], widths[i]) for i in shown).rstrip() for line in cells]


def _fit(
    columns: Sequence[Column[Row]], natural: Sequence[int], width: int | None
) -> tuple[list[int], dict[int, int], int]:
    """Return the indexes of the columns to show, their widths, and the gap between them."""
    shown = list(range(len(columns)))
    whole = dict(enumerate(natural))
    if width is None or _total(whole, _GAP) <= width:
        return shown, whole, _GAP
    while True:
        widths = {i: natural[i] for i in shown}
        droppable = [i for i in shown if columns[i].rank]
        least = _READABLE if droppable else _LEAST
        excess = _total(widths, _NARROW_GAP) - width
        cuttable = [i for i in shown if columns[i].cut]
        if excess <= sum(max(0, widths[i] - least) for i in cuttable) or not droppable:
            _cut(widths, cuttable, least, excess)
            return shown, widths, _NARROW_GAP
        shown.remove(max(droppable, key=lambda i: (columns[i].rank, i)))


def _total(widths: dict[int, int], gap: int) -> int:
    return sum(widths.values()) + gap * (len(widths) - 1)


def _cut(widths: dict[int, int], cuttable: Sequence[int], least: int, excess: int) -> None:
    """Make the widest columns narrower by `excess` characters in total, none below `least`."""
    for _ in range(max(0, excess)):
        widest = max(cuttable, key=lambda i: widths[i], default=None)
        if widest is None or widths[widest] <= least:
            return
        widths[widest] -= 1


def _cell(text: str, width: int) -> str:
    if len(text) <= width:
        return text.ljust(width)
    unicode = (getattr(sys.stdout, "encoding", "") or "").lower().startswith("utf")
    return text[: width - 1] + ("…" if unicode else "~")
