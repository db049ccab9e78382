"""Makes rows of lists from records: a bad record is left out of the list, and the others stay.

Records are checked when they are written and when they are loaded. This module handles what those
checks miss: one pod, container or image must never hide all others from the caller.
"""

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from cri_shim.untrusted import printable

_NAMED_LIMIT = 10_000  # ids that are remembered as logged

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)
_named: set[tuple[str, str]] = set()


def row(kind: str, id: str, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Return the result of `make`; if it fails, None and one log line for each id.

    A failure of the machine (OSError, MemoryError) is not caused by the record and is raised.
    """
    try:
        return make(*args, **kwargs)
    except (OSError, MemoryError):
        raise
    except Exception as e:
        if (kind, id) not in _named:
            if len(_named) >= _NAMED_LIMIT:
                _named.clear()
            _named.add((kind, id))
            reason = printable(f"{type(e).__name__}: {e}")
            _log.error("%s %s is left out of lists, its record is not usable: %s", kind, id, reason)
        return None
