"""A difference: a thing of the node that no record explains, or that a record names in vain."""

import enum
from dataclasses import dataclass
from typing import Any

from cri_shim.activity import Subject
from cri_shim.untrusted import one_line

# The classes, in the order in which the node is looked at.
KINDS = (
    "directory",
    "mount",
    "log",
    "namespace",
    "control group",
    "conmon",
    "process",
    "OCI runtime",
    "address",
    "CNI cache",
    "host port",
    "layer",
    "blob",
    "remains",
)


class Sort(enum.StrEnum):
    """LEFTOVER: it is on the node and no record needs it. LOST: a record needs it, it is gone."""

    LEFTOVER = "leftover"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Difference:
    """`kind` is one of KINDS. `path` is what was looked at: a path, a process, rules.

    `repair` says what `check --repair` does; "": nothing of it is safe. `since`: seconds since the
    epoch, 0 if it is not known. `key` is what the repair needs beside the path: the digest of a
    layer or blob, the pid of a conmon, the group relative to its tree.
    """

    kind: str
    sort: Sort
    subject: Subject
    path: str
    sentence: str
    repair: str = ""
    since: float = 0.0
    key: str = ""

    @property
    def id(self) -> str:
        """The id of the pod or container; "" for another object."""
        return self.subject.id

    @property
    def identity(self) -> tuple[str, ...]:
        """Equal for the same difference in two looks."""
        return self.kind, self.sort, self.id, self.path

    def facts(self) -> dict[str, Any]:
        """Return it as JSON-able values; `of` reads them."""
        return {
            "class": self.kind,
            "sort": str(self.sort),
            "object": str(self.subject),
            "id": self.id,
            "path": one_line(self.path),
            "sentence": one_line(self.sentence),
            "repair": self.repair,
            "since": self.since,
        }
