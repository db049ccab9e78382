"""Rows of lists, each made of one record: a record that makes none is left out, not the whole list.

Records are checked when they are written and when they are loaded. This is for what those checks
did not foresee: one pod, container or image must never hide all others from its caller.
"""

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from cri_shim.untrusted import printable

_NAMED_LIMIT = 10_000  # ids that are remembered as named in the log

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)
_named: set[tuple[str, str]] = set()


def row(kind: str, id: str, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """What `make` returns; None, and one line in the log for each id, if it fails.

    A failure of the machine (OSError, MemoryError) says nothing about the record and is raised.
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
