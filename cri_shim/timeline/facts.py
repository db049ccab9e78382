"""A timeline as the JSON that is shown, with the time of each stage that no inner stage has."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from cri_shim.timeline.entry import CREATE, PULL, RUN_POD, START, Entry, union

_DIGITS = 6  # microseconds


def timeline(id: str, name: str, entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the timeline of a pod: its operations by their begin."""
    ordered = sorted(entries, key=lambda entry: entry.begin)
    return {
        "id": id,
        "name": name,
        "startSeconds": round(start_seconds(entries), _DIGITS),
        "operations": [_operation(entry) for entry in ordered],
    }


def row(id: str, name: str, entries: Sequence[Entry]) -> dict[str, Any]:
    """Return a pod of the list of the slowest: when and how long it was started, and for what."""
    started = list(_start(entries))
    stage, seconds = _longest(started)
    return {
        "id": id,
        "name": name,
        "begin": _moment(min(entry.begin for entry in started)),
        "startSeconds": round(start_seconds(entries), _DIGITS),
        "longestStage": stage,
        "longestSeconds": round(seconds, _DIGITS),
        "failed": any(entry.failure for entry in started),
    }


def start_seconds(entries: Sequence[Entry]) -> float:
    """Return the time that the runtime worked or waited until the pod's containers ran.

    The time between its operations is the caller's, and does not count. Later starts of the same
    container do not count either.
    """
    return union(entry.span for entry in _start(entries))


def _start(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield the operations of the pod's start: each container is created and started once."""
    first: dict[tuple[str, str], Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.begin):
        if entry.verb in (RUN_POD, CREATE, START):
            first.setdefault((entry.verb, entry.name), entry)
    yield from first.values()
    ends = [entry.span[1] for entry in first.values() if entry.verb == START]
    yield from (e for e in entries if e.verb == PULL and (not ends or e.begin < max(ends)))


def _longest(entries: Sequence[Entry]) -> tuple[str, float]:
    """Return the stage with the most own time; an operation itself has what is between them."""
    owns = [
        (own, name)
        for entry in entries
        for own, name in zip(
            entry.own_seconds(), (entry.verb, *(s.name for s in entry.stages)), strict=True
        )
    ]
    seconds, name = max(owns, default=(0.0, ""))
    return name, seconds


def _operation(entry: Entry) -> dict[str, Any]:
    own = [round(seconds, _DIGITS) for seconds in entry.own_seconds()]
    depths: list[int] = []
    for stage in entry.stages:
        depths.append(1 if stage.parent < 0 else depths[stage.parent] + 1)
    return {
        "verb": entry.verb,
        "kind": entry.kind,
        "id": entry.id,
        "name": entry.name,
        "begin": _moment(entry.begin),
        "seconds": round(entry.seconds, _DIGITS),
        "ownSeconds": own[0],
        "failure": entry.failure,
        "open": entry.open,
        "stagesNotKept": entry.not_kept,
        "stages": [
            {
                "name": stage.name,
                "waitedFor": stage.waited_for,
                "depth": depths[number],
                "begin": round(stage.begin, _DIGITS),
                "seconds": round(stage.seconds, _DIGITS),
                "ownSeconds": own[number + 1],
                "failed": stage.failed,
                "open": stage.open,
            }
            for number, stage in enumerate(entry.stages)
        ],
    }


def _moment(seconds: float) -> str:
    """Format a time since the epoch in RFC 3339, with microseconds."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
