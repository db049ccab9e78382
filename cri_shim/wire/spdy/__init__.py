"""SPDY/3.1 as the Kubernetes clients use it, without I/O.

`Connection` takes received bytes and returns events. It queues the bytes to send until the caller
takes them with `outgoing()`. There is no flow control in this protocol: Go's library neither sends
nor obeys SETTINGS and WINDOW_UPDATE, so the only back-pressure is TCP's, for all streams together.

The runtime is always the server. Only tests and `hack/bench` use the client's end (`Role.CLIENT`,
`open`, `send_headers`, `ping` and the events of a server's answers): with it, the same tables are
tested from both ends.

- `connection`: one connection, either end; the only class that users of the package need
- `events`: what the peer did, as values
- `frames`: numbers and layouts of the frames, and the frames that this side sends
- `reader`: cuts received bytes into frames
- `headers`: header blocks and their compression
- `dictionary`: the zlib dictionary of that compression
- `state`: the state machine of a stream
- `streams`: the streams of a connection and their states
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
