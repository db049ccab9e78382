"""Leaks: unfinished work that makes no progress, and what no record owns."""

from collections.abc import Iterable
from typing import Any

from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.look import Look
from cri_shim.comparison.records import Records
from cri_shim.comparison.watch import Comparison
from cri_shim.engine import Engine
from cri_shim.pods.unfinished import Unfinished, intents, unfinished

BY_REPAIR = "`cri-shim check --repair` removes it, and so does the next start"
BY_HAND = "nothing: it is not safe to remove it"
BY_START = "nothing now: the next start of the daemon finishes it"


def facts(engine: Engine, comparison: Comparison) -> dict[str, Any]:
    """Return all unfinished work, the leftovers, and classes that could not be compared.

    Of unfinished work, `leaks` says whether it makes no progress.
    """
    return _facts(unfinished(engine), comparison.left, comparison.look.problems)


def offline(records: Records, look: Look) -> dict[str, Any]:
    """Like `facts`, for the records of a daemon that does not run."""
    found = [
        Unfinished(kind, records.subject(id, of), since, BY_START, leaks=True)
        for of, id, kind, since in intents(records.pods.values(), records.containers.values())
    ]
    return _facts(found, look.differences, look.problems)


def _facts(
    unfinished: Iterable[Unfinished], left: Iterable[Difference], problems: Iterable[str]
) -> dict[str, Any]:
    found = [work.facts() | {"path": ""} for work in unfinished]
    found += [_leftover(difference) for difference in left if difference.sort is Sort.LEFTOVER]
    return {"leaks": found, "problems": list(problems)}


def _leftover(difference: Difference) -> dict[str, Any]:
    known = difference.facts()
    shown = {key: known[key] for key in ("class", "object", "id", "path", "since")}
    return shown | {"next": BY_REPAIR if difference.repair else BY_HAND, "leaks": True}
