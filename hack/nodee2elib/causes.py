"""The known causes of failures on this machine; the report shows them beside the specs.

The first pattern that matches "NAME: REASON" counts.
"""

import re

UNKNOWN = "not found out"

_CAUSES: tuple[tuple[str, str], ...] = ()


def cause(name: str, reason: str) -> str:
    text = f"{name}: {reason}"
    return next((told for pattern, told in _CAUSES if re.search(pattern, text)), UNKNOWN)
