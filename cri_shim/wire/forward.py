"""Port-forward: which streams, or which WebSocket channels, make one forwarded connection.

Over SPDY (and the WebSocket tunnel, which is SPDY inside) a connection is an error and a data
stream with the same `requestid` and `port`. Clients of before 2016 send no `requestid`: their data
stream comes right after its error stream, so its id is two higher. The legacy WebSocket framing
knows its ports beforehand: port i of the list has channel 2i for data and 2i + 1 for errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

ERROR = "error"
DATA = "data"

# Seconds from the first stream of a pair to the second, as in the reference server.
PAIR_TIMEOUT = 30.0
# Half pairs at once. Clients open both streams in one go; this bounds one that never does.
MAX_HALF_PAIRS = 256

_MAX_REQUEST_ID = 64  # characters; the clients count from 0


@dataclass(frozen=True, slots=True)
class Pair:
    """One connection to forward: text about a failure goes to `error`, bytes to and from `data`."""

    port: int
    error: int
    data: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A stream to reset, and why."""

    reason: str


@dataclass(slots=True)
class _Half:
    port: int
    kind: str
    stream: int
    since: float


class Pairing:
    """Pairs the streams of one session. `now` is any clock in seconds that does not go back."""

    def __init__(self) -> None:
        self._halves: dict[str, _Half] = {}

    def add(self, stream: int, headers: dict[str, str], now: float) -> Pair | Refused | None:
        """A stream the peer opened. None: its other half is to come."""
        kind = headers.get("streamtype", "").lower()
        if kind not in (ERROR, DATA):
            return Refused(f"a stream of type {kind[:32]!r}; error and data are known")
        port = _port(headers.get("port", ""))
        if port is None:
            return Refused(f"port {headers.get('port', '')[:32]!r} is none of 1 to 65535")
        request = headers.get("requestid") or str(stream if kind == ERROR else stream - 2)
        if len(request) > _MAX_REQUEST_ID:
            return Refused("the requestid is too long")
        half = self._halves.get(request)
        if half is None:
            if len(self._halves) >= MAX_HALF_PAIRS:
                return Refused("too many streams wait for their other half")
            self._halves[request] = _Half(port, kind, stream, now)
            return None
        if half.kind == kind:
            return Refused(f"request {request!r} has its {kind} stream already")
        if half.port != port:
            return Refused(f"request {request!r} names the ports {half.port} and {port}")
        del self._halves[request]
        error, data = (half.stream, stream) if kind == DATA else (stream, half.stream)
        return Pair(port, error, data)

    def forget(self, stream: int) -> None:
        """The stream was reset before its other half came."""
        for request, half in list(self._halves.items()):
            if half.stream == stream:
                del self._halves[request]

    def overdue(self, now: float) -> list[int]:
        """Streams whose other half did not come in time: reset them. They are forgotten here."""
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
        """When overdue() is to be asked next; None while nothing waits."""
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
        """What the server sends first on both channels."""
        return self.port.to_bytes(2, "little")


def legacy_channels(ports: Sequence[int]) -> list[ChannelPair]:
    """The channels of the ports asked for, in their order; more than 127 do not fit the byte."""
    if len(ports) > 127:
        raise ValueError(f"{len(ports)} ports; the framing has channels for 127")
    return [ChannelPair(port, 2 * i, 2 * i + 1) for i, port in enumerate(ports)]


def _port(text: str) -> int | None:
    """Digits only, as Go's ParseUint takes them."""
    if not (text.isascii() and text.isdigit() and len(text) <= 8):
        return None
    return int(text) if 1 <= int(text) <= 0xFFFF else None
