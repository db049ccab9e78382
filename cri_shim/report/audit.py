"""Problems of the audit record: it is not written, or lines are lost."""

from cri_shim.audit.journal import Journal
from cri_shim.problems.finding import Finding, Level

_WHAT, _KEY = "audit record", "audit.file"


def findings(journal: Journal | None) -> list[Finding]:
    """Return the problem of the audit record; nothing without a record, or if it is written."""
    if journal is None or not (problem := journal.problem()):
        return []
    return [Finding(_WHAT, Level.WARNING, problem, "free some space", key=_KEY, varies=True)]
