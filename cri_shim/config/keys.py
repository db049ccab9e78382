"""A configuration key: its place, type, default, meaning and check, and when it takes effect."""

import dataclasses
import enum
from collections.abc import Callable
from typing import Any, get_type_hints

from cri_shim.config import checks

Check = Callable[[Any], str]  # returns the problem of a value; "" if there is none


class When(enum.Enum):
    """When a changed value of a key takes effect."""

    LIVE = "reload"  # at a reload, for every call that begins after it
    NEXT_POD = "reload, for new pods"  # pods that are there keep what they were made with
    RESTART = "restart"  # a reload reports the change, and the running value stays


def key(
    default: Any,
    doc: str,
    *,
    name: str = "",
    check: Check = checks.anything,
    lone: bool = False,
    when: When = When.RESTART,
) -> Any:
    """Make a field that is a key. `lone`: a single string is accepted in place of a list."""
    metadata = {"doc": doc, "name": name, "check": check, "lone": lone, "when": when}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """The place of a key's value, its type and its check. `table` is "" at the top level."""

    name: str
    table: str
    field: str
    type: Any
    default: Any
    doc: str
    check: Check
    lone: bool
    when: When


def keys_of(owner: type, table: str) -> list[Key]:
    """Return the keys of a dataclass, which is the table of this name; "" is the top level."""
    hints = get_type_hints(owner)
    return [
        Key(
            f.metadata["name"] or (f"{table}.{f.name}" if table else f.name),
            table,
            f.name,
            hints[f.name],
            f.default,
            *(f.metadata[what] for what in ("doc", "check", "lone", "when")),
        )
        for f in dataclasses.fields(owner)
        if "doc" in f.metadata
    ]
