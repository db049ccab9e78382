"""Checks the chain of an audit record, from the oldest file on."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.audit import chain
from cri_shim.audit.chain import Link
from cri_shim.audit.files import rotated


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the record, without its newline; `number` is that in its file, from 1."""

    file: Path
    number: int
    data: bytes
    whole: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`problem` names the first broken line, or is "". `last` is the place before it."""

    lines: int
    first: int
    last: Link
    problem: str = ""
    torn: int = 0  # lines that a daemon did not finish, and the next one has told


def lines(file: Path) -> Iterator[Line]:
    """Yield every line of the record, the oldest first. OSError if a file cannot be read."""
    for path in [*rotated(file), *([file] if file.exists() else [])]:
        with path.open("rb") as stream:
            number = 0
            while data := stream.readline(chain.MAX_LINE + 2):
                number += 1
                whole = data.endswith(b"\n")
                yield Line(path, number, data.rstrip(b"\n"), whole)


def verify(file: Path, expected: str = "") -> Verdict:
    """Check every line. `expected` is a hash that must be one of the chain.

    The first line that is there may have any number: older ones were rotated away. OSError.
    """
    last: Link | None = None
    count = first = torn = 0
    seen = not expected
    pending: tuple[Line, str] | None = None  # a torn line, which the next one must tell of
    for line in lines(file):
        problem, facts, place = _checked(line, last)
        if problem and pending is None and facts is None:
            pending = line, problem
            continue
        if pending is not None:
            if problem or facts is None or not _tells(facts, pending[0]):
                return _broken(count, first, last, *pending)
            torn, pending = torn + 1, None
        if problem:
            return _broken(count, first, last, line, problem)
        assert place is not None
        count, first, last = count + 1, first or place.seq, place
        seen = seen or place.hash == expected
    if pending is not None:
        return _broken(count, first, last, *pending)
    problem = "" if seen else f"no line has the hash {expected}: the newest lines are missing"
    return Verdict(count, first, last or Link(), problem, torn)


def _checked(line: Line, last: Link | None) -> tuple[str, dict[str, Any] | None, Link | None]:
    """Return the problem of a line, its facts if its own hash is right, and its place."""
    if not line.whole:
        return "it has no end", None, None
    try:
        facts, place = chain.opened(line.data)
    except ValueError as e:
        return str(e), None, None
    problem = "" if last is None else chain.follows(facts, last)
    return problem, facts, place


def _tells(facts: dict[str, Any], torn: Line) -> bool:
    """Whether a line was written by a start that found this torn line."""
    digest = hashlib.sha256(torn.data).hexdigest()
    return facts.get("event") == "start" and facts.get("torn") == digest


def _broken(count: int, first: int, last: Link | None, line: Line, problem: str) -> Verdict:
    return Verdict(count, first, last or Link(), f"{line}: {problem}")
