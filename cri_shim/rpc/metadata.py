"""The metadata of a call: its id, and the trace that its client has begun.

The id is the client's, if its metadata has a valid one, else a new one. It is sent back with the
status, so that a client can find its call in the log and in the traces.
"""

import itertools
import re
import secrets
from collections.abc import Iterable

REQUEST_ID = "x-request-id"
TRACE_PARENT, TRACE_STATE = "traceparent", "tracestate"  # W3C Trace Context
_VALID = {
    REQUEST_ID: re.compile(r"[A-Za-z0-9._:/+=-]{1,64}"),
    TRACE_PARENT: re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"),
    TRACE_STATE: re.compile(r"[\x20-\x7e]{1,512}"),
}

_this_process = secrets.token_hex(4)
_numbers = itertools.count(1)


def new_id() -> str:
    """Return an id that no other call of this or another daemon has."""
    return f"{_this_process}-{next(_numbers)}"


def known(metadata: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str]:
    """Return the valid values of the keys above."""
    return {
        key: value
        for key, value in metadata or ()
        if key in _VALID and isinstance(value, str) and _VALID[key].fullmatch(value)
    }
