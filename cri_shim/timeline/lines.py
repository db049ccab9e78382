"""An entry as one line of JSON in the file of a pod, and back.

Times are whole microseconds. The stages are lists, because their names would be most of the bytes.
"""

import json
from dataclasses import replace
from typing import Any

from cri_shim.timeline.entry import Entry, Stage
from cri_shim.timeline.recording import LONGEST, LONGEST_NAME
from cri_shim.untrusted import one_line, parse_json

MOST = 8 << 10  # bytes of a line; one of a usual operation has a thousand
_FAILED, _OPEN = 1, 2
INTERRUPTED = "the daemon ended before it did"
_MICRO = 1_000_000


def encode(entry: Entry) -> bytes:
    """Return the line without its end; the last stages are left out if it would be too long."""
    while len(line := _encoded(entry)) > MOST and entry.stages:
        half = len(entry.stages) // 2
        left_out = entry.not_kept + len(entry.stages) - half
        entry = replace(entry, stages=entry.stages[:half], not_kept=left_out)
    return line


def _encoded(entry: Entry) -> bytes:
    document = {
        "verb": entry.verb,
        "kind": entry.kind,
        "id": entry.id,
        "name": entry.name,
        "begin": round(entry.begin * _MICRO),
        "took": round(entry.seconds * _MICRO),
        "failure": entry.failure,
        "open": entry.open,
        "notKept": entry.not_kept,
        "stages": [
            (
                stage.parent,
                stage.name,
                stage.waited_for,
                round(stage.begin * _MICRO),
                round(stage.seconds * _MICRO),
                _FAILED * stage.failed | _OPEN * stage.open,
            )
            for stage in entry.stages
        ],
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def decode(line: bytes) -> Entry | None:
    """Return the entry of a line; None if it is torn, or is not one.

    Nothing is open any more: what was open when it was written, has failed.
    """
    try:
        known = parse_json(line)
        stages = [_stage(number, each) for number, each in enumerate(known["stages"])]
        return Entry(
            verb=_text(known["verb"]),
            kind=_text(known["kind"]),
            id=_text(known["id"]),
            name=_text(known["name"]),
            begin=_seconds(known["begin"]),
            seconds=_seconds(known["took"]),
            failure=INTERRUPTED if known["open"] else _text(known["failure"]),
            not_kept=int(known["notKept"]),
            stages=tuple(stages),
        )
    except (ValueError, TypeError, KeyError):
        return None


def _stage(number: int, values: Any) -> Stage:
    parent, name, waited_for, begin, took, flags = values
    if not -1 <= int(parent) < number:
        raise ValueError(f"the stage around stage {number} does not come first")
    return Stage(
        name=_text(name, LONGEST_NAME),
        waited_for=_text(waited_for),
        parent=int(parent),
        begin=_seconds(begin),
        seconds=_seconds(took),
        failed=bool(flags & (_FAILED | _OPEN)),
    )


def _text(value: Any, limit: int = LONGEST) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return one_line(value, limit)


def _seconds(micro: Any) -> float:
    if not isinstance(micro, int):
        raise TypeError("not a number of microseconds")
    return max(0, micro) / _MICRO
