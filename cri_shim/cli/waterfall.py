"""Draws a timeline as lines of text: a waterfall with one line for each operation and stage.

Operations with a long pause between them are in sections, each with its own scale: a pod that runs
for days would otherwise have a start that is too small to see.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cri_shim.untrusted import one_line

EMPTY = "it has no timeline: none of its operations is known"
USUAL_WIDTH = 100  # characters, if the output is no terminal
FIRST_LINE = "first log line"  # timeline/entry.py has it; an import would take 0.1 s
QUEUE = "queue"  # the stage of a lock, whose name does not say what has it
PAUSE_S = 5.0  # without any operation: a new section begins
LONGEST_TRAIL_S = 5.0  # a program may write its first line minutes after its start
_LEAST_BAR, _LEAST_LABEL, _MOST_LABEL = 10, 16, 44  # characters
_FIGURES = 9  # characters of a begin or a duration
_NARROW = (80, 50)  # characters; below, the begin is left out, then all but the own time

Span = tuple[float, float]
Operation = Mapping[str, Any]  # of the JSON of a timeline


@dataclass(slots=True)
class Line:
    """An operation or a stage; `begin` and `end` in seconds since the epoch.

    `own`: the seconds that no inner stage has.
    """

    label: str
    depth: int
    begin: float
    end: float
    own: float
    note: str = ""  # what ended it early, or what it still waits for
    waited_for: str = ""
    failed: bool = False
    trails: bool = False  # it may last much longer than the work around it: see LONGEST_TRAIL_S
    inner: list[Span] = field(default_factory=list)


def lines(document: Mapping[str, Any], *, width: int, unicode: bool) -> list[str]:
    """Return the lines of a timeline; the bars take what the names leave of `width`."""
    shown = [one_line(f"pod {document['name']} ({document['id'][:12]})")]
    parts = sections(document["operations"])
    if not parts:
        return [*shown, EMPTY]
    if took := document["startSeconds"]:
        shown[0] += f": its start took {duration(took)}"
    rows = [[row for operation in part for row in rows_of(operation)] for part in parts]
    columns = ("BEGIN", "TOOK", "OWN")[sum(width < narrow for narrow in _NARROW) :]
    room = width - _figures_width(columns)
    label = _label_width([row for part in rows for row in part], room)
    for part in rows:
        shown += ["", *_section(part, label, columns, width, unicode)]
    return shown


def sections(operations: Sequence[Operation]) -> list[list[Operation]]:
    """Divide operations, which are in the order of their begin, at the long pauses."""
    found: list[list[Operation]] = []
    until = float("-inf")
    for operation in operations:
        begin = moment(operation)
        if begin > until + PAUSE_S:
            found.append([])
        found[-1].append(operation)
        if operation["verb"] != FIRST_LINE:
            until = max(until, begin + operation["seconds"])
    return found


def scale(rows: Sequence[Line]) -> Span:
    """Return begin and end of a section; the bar of a row that trails may be cut."""
    begin = min(row.begin for row in rows)
    end = max((row.end for row in rows if not row.trails), default=rows[0].end)
    trails = (row.end for row in rows if row.trails and row.end - end <= LONGEST_TRAIL_S)
    return begin, max(end, *trails, begin)


def rows_of(operation: Operation) -> list[Line]:
    """Return the line of an operation, and those of its stages."""
    begin = moment(operation)
    head = Line(
        f"{operation['verb']}{_object(operation)}",
        0,
        begin,
        begin + operation["seconds"],
        operation["ownSeconds"],
        note=operation["failure"] and f"failed: {operation['failure']}",
        failed=bool(operation["failure"]),
        trails=operation["verb"] == FIRST_LINE,
    )
    if operation["open"]:
        head.note = "in progress"
    around, found = [head], [head]
    for stage in operation["stages"]:
        first = begin + stage["begin"]
        last = first + stage["seconds"]
        row = Line(
            stage["name"],
            stage["depth"],
            first,
            last,
            stage["ownSeconds"],
            note=_note(stage),
            waited_for=stage["waitedFor"],
            failed=stage["failed"],
        )
        del around[stage["depth"] :]
        around[-1].inner.append((first, last))
        around.append(row)
        found.append(row)
    if operation["stagesNotKept"]:
        head.note += f" ({operation['stagesNotKept']} stages are not kept)"
    return found


def _note(stage: Mapping[str, Any]) -> str:
    if stage["open"]:
        return f"waiting for {stage['waitedFor'] or stage['name']}"
    parts = [f"for {stage['waitedFor']}"] if stage["name"] == QUEUE else []
    return "; ".join([*parts, *(["failed"] if stage["failed"] else [])])


def moment(operation: Operation) -> float:
    """Return the begin of an operation in seconds since the epoch."""
    return datetime.fromisoformat(operation["begin"]).timestamp()


def duration(seconds: float) -> str:
    """Format a duration for people: 0.4 ms, 12 ms, 2.01 s, 3m20s."""
    if seconds < 0.0095:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 99.995:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}h{minutes % 60}m" if minutes >= 600 else f"{minutes}m{rest:02}s"


def _object(operation: Operation) -> str:
    """Return what distinguishes operations of one pod: the container, or the image."""
    name = operation["name"]
    if operation["kind"] == "container":
        return f" {name.rpartition('/')[2]}"
    return f" {name}" if operation["kind"] == "image" else ""


def _label_width(rows: Sequence[Line], room: int) -> int:
    natural = max(2 * row.depth + len(one_line(row.label)) for row in rows)
    return max(_LEAST_LABEL, min(natural, _MOST_LABEL, room - _LEAST_BAR))


def _section(
    rows: Sequence[Line], label: int, columns: Sequence[str], width: int, unicode: bool
) -> Iterator[str]:
    begin, end = scale(rows)
    when = datetime.fromtimestamp(begin).astimezone()
    yield f"{when:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f"{when:%z}, {duration(end - begin)}"
    bar = max(_LEAST_BAR, width - label - _figures_width(columns))
    yield " " * label + "".join(f"  {column:>{_FIGURES}}" for column in columns)
    for row in rows:
        figures = {"BEGIN": row.begin - begin, "TOOK": row.end - row.begin, "OWN": row.own}
        text = _cut("  " * row.depth + one_line(row.label), label, unicode)
        text = f"{text:{label}}" + "".join(f"  {duration(figures[c]):>{_FIGURES}}" for c in columns)
        yield f"{text} {_bar(row, begin, end, bar, unicode)}".rstrip()
        if row.note:
            yield one_line("  " * (row.depth + 1) + row.note)


def _figures_width(columns: Sequence[str]) -> int:
    return len(columns) * (_FIGURES + 2) + 1


def _bar(row: Line, begin: float, end: float, width: int, unicode: bool) -> str:
    """Draw the time of a row; each character stands for a part of the section's time.

    It is light if inner stages have most of what the row has of this part.
    """
    full, light = ("█", "░") if unicode else ("#", "-")
    one = (end - begin) / width or 1.0
    first = min(width - 1, int((row.begin - begin) / one))
    last = min(width - 1, max(first, int((row.end - begin) / one - 1e-9)))
    cells = []
    for cell in range(first, last + 1):
        part = begin + cell * one, begin + (cell + 1) * one
        own = _overlap((row.begin, row.end), part)
        inside = sum(_overlap(span, part) for span in row.inner)
        cells.append(light if row.inner and inside * 2 >= own else full)
    return " " * first + "".join(cells)


def _overlap(one: Span, other: Span) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def _cut(text: str, width: int, unicode: bool) -> str:
    return text if len(text) <= width else text[: width - 1] + ("…" if unicode else "~")
