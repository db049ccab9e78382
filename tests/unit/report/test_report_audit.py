"""A record that is not written is a problem of the node."""

from typing import cast

from cri_shim.audit.journal import Journal
from cri_shim.problems.finding import Level
from cri_shim.report.audit import findings


class Full:
    def problem(self) -> str:
        return "the audit record /a cannot be written: No space left on device"


class Fine:
    def problem(self) -> str:
        return ""


def test_a_record_that_is_not_written_is_a_warning() -> None:
    (found,) = findings(cast(Journal, Full()))
    assert (found.level, found.key) == (Level.WARNING, "audit.file")
    assert found.text.endswith("No space left on device; free some space")


def test_without_a_record_or_a_problem_there_is_nothing_to_tell() -> None:
    assert findings(None) == findings(cast(Journal, Fine())) == []
