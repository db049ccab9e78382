"""A finding: one thing that was looked at, whether it is all right, and what to do if it is not."""

import dataclasses
import enum
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cri_shim.untrusted import one_line


class Level(enum.StrEnum):
    """How bad it is. FAILS: no pod can run, or none gets a network."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILS = "fails"

    @property
    def of_log(self) -> int:
        """The level of its log line."""
        return logging.WARNING if self in (Level.WARNING, Level.FAILS) else logging.INFO


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy` says what to do; `package` and `key` are in it, and here for programs.

    `varies`: the sentence has figures that change without a change of the problem.
    """

    what: str
    level: Level
    sentence: str
    remedy: str = ""
    package: str = ""  # of this distribution
    key: str = ""  # of the configuration
    varies: bool = False

    @property
    def text(self) -> str:
        """The sentence with its remedy, on one line."""
        return one_line("; ".join(filter(None, (self.sentence, self.remedy))))

    @property
    def identity(self) -> tuple[str, ...]:
        """Equal for findings that need only one log line."""
        return (self.what, self.level, "" if self.varies else self.text)

    def facts(self) -> dict[str, Any]:
        """Return the finding as JSON-able values; `of` reads them."""
        values = dataclasses.asdict(self) | {"level": str(self.level)}
        del values["varies"]
        return {name: one_line(value) for name, value in values.items()}

    @classmethod
    def of(cls, facts: dict[str, Any]) -> "Finding":
        text = {name: str(facts[name]) for name in ("what", "sentence", "remedy", "package", "key")}
        return cls(
            text["what"],
            Level(facts["level"]),
            text["sentence"],
            text["remedy"],
            text["package"],
            text["key"],
        )


def problems(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are not all right, the worst first."""
    worst_first = [Level.FAILS, Level.WARNING, Level.NOTE]
    found = [finding for finding in findings if finding.level is not Level.OK]
    return sorted(found, key=lambda finding: worst_first.index(finding.level))
