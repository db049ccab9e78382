"""Why specs fail on the machine, where that is known: the page says it beside them.

The first pattern that is found in "NAME: REASON" counts.
"""

import re

UNKNOWN = "not found out"

_CAUSES: tuple[tuple[str, str], ...] = ()


def cause(name: str, reason: str) -> str:
    text = f"{name}: {reason}"
    return next((told for pattern, told in _CAUSES if re.search(pattern, text)), UNKNOWN)
