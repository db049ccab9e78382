"""SPDY/3.1 as the Kubernetes clients speak it, without I/O.

`Connection` takes the bytes that came in and answers events; what it wants to send piles up in it
until `outgoing()` is asked. Flow control does not exist on this wire: Go's library neither sends
nor heeds SETTINGS and WINDOW_UPDATE, so back-pressure is TCP's, for all streams together.
"""

from cri_shim.wire.spdy.connection import Connection, Role
from cri_shim.wire.spdy.events import (
    DataReceived,
    Event,
    GoneAway,
    HeadersReceived,
    Ponged,
    ProtocolError,
    StreamOpened,
    StreamReplied,
    StreamReset,
)
from cri_shim.wire.spdy.frames import Goaway, Reset

__all__ = [
    "Connection",
    "DataReceived",
    "Event",
    "Goaway",
    "GoneAway",
    "HeadersReceived",
    "Ponged",
    "ProtocolError",
    "Reset",
    "Role",
    "StreamOpened",
    "StreamReplied",
    "StreamReset",
]
