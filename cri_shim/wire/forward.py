"""Port-forward: which streams, or which WebSocket channels, form one forwarded connection.

Over SPDY (and the WebSocket tunnel, which is SPDY inside) a connection is an error and a data
stream with the same `requestid` and `port`. Clients from before 2016 send no `requestid`: they open
the data stream right after the error stream, so its id is two higher. In the legacy WebSocket
framing the request lists the ports: port i has channel 2i for data and 2i + 1 for errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

ERROR = "error"
DATA = "data"

# Seconds from the first stream of a pair to the second, as in the reference server.
PAIR_TIMEOUT = 30.0
# Half pairs at once. Clients open both streams together; this bounds a client that does not.
MAX_HALF_PAIRS = 256

_MAX_REQUEST_ID = 64  # characters; the clients count from 0


@dataclass(frozen=True, slots=True)
class Pair:
    """One connection to forward: `error` carries the text of a failure, `data` the bytes."""

    port: int
    error: int
    data: int


@dataclass(frozen=True, slots=True)
class RefusedStream:
    """The stream must be reset, for this reason."""

    reason: str


@dataclass(slots=True)
class _Half:
    port: int
    kind: str
    stream: int
    since: float


class Pairing:
    """Pairs the streams of one session. `now` is the time of a monotonic clock in seconds."""

    def __init__(self) -> None:
        self._halves: dict[str, _Half] = {}

    def add(self, stream: int, headers: dict[str, str], now: float) -> Pair | RefusedStream | None:
        """Add a stream that the peer opened. None: the other stream of the pair is missing."""
        kind = headers.get("streamtype", "").lower()
        if kind not in (ERROR, DATA):
            return RefusedStream(f"a stream of type {kind[:32]!r}; error and data are known")
        port = _port(headers.get("port", ""))
        if port is None:
            return RefusedStream(f"port {headers.get('port', '')[:32]!r} is none of 1 to 65535")
        request = headers.get("requestid") or str(stream if kind == ERROR else stream - 2)
        if len(request) > _MAX_REQUEST_ID:
            return RefusedStream("the requestid is too long")
        half = self._halves.get(request)
        if half is None:
            if len(self._halves) >= MAX_HALF_PAIRS:
                return RefusedStream("too many streams wait for their other half")
            self._halves[request] = _Half(port, kind, stream, now)
            return None
        if half.kind == kind:
            return RefusedStream(f"request {request!r} has its {kind} stream already")
        if half.port != port:
            return RefusedStream(f"request {request!r} names the ports {half.port} and {port}")
        del self._halves[request]
        error, data = (half.stream, stream) if kind == DATA else (stream, half.stream)
        return Pair(port, error, data)

    def forget(self, stream: int) -> None:
        """Remove a stream that was reset before the other stream of its pair was opened."""
        for request, half in list(self._halves.items()):
            if half.stream == stream:
                del self._halves[request]

    def overdue(self, now: float) -> list[int]:
        """Remove and return the streams whose pair is late; the caller must reset them."""
        late = {
            request: half.stream
            for request, half in self._halves.items()
            if now - half.since >= PAIR_TIMEOUT
        }
        for request in late:
            del self._halves[request]
        return list(late.values())

    @property
    def deadline(self) -> float | None:
        """When to call overdue() next; None while no stream waits for its pair."""
        oldest = min((half.since for half in self._halves.values()), default=None)
        return None if oldest is None else oldest + PAIR_TIMEOUT


@dataclass(frozen=True, slots=True)
class ChannelPair:
    """One forwarded port of the legacy framing."""

    port: int
    data: int
    error: int

    @property
    def greeting(self) -> bytes:
        """The bytes that the server sends first on both channels."""
        return self.port.to_bytes(2, "little")


def legacy_channels(ports: Sequence[int]) -> list[ChannelPair]:
    """Return the channels of `ports`, in their order. A channel is one byte: 127 ports at most."""
    if len(ports) > 127:
        raise ValueError(f"{len(ports)} ports; the framing has channels for 127")
    return [ChannelPair(port, 2 * i, 2 * i + 1) for i, port in enumerate(ports)]


def _port(text: str) -> int | None:
    """Parse a port. Only digits are accepted, as in Go's ParseUint."""
    if not (text.isascii() and text.isdigit() and len(text) <= 8):
        return None
    return int(text) if 1 <= int(text) <= 0xFFFF else None
