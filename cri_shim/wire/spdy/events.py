"""What a connection tells of the bytes it was given."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The peer opened a stream. Answer with accept() or reset(): Go drops data sent before.

    `fin`: the peer sends nothing on it.
    """

    stream: int
    headers: dict[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class StreamReplied:
    """The peer took a stream that this side opened."""

    stream: int
    headers: dict[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class HeadersReceived:
    """Later headers of a stream; the Kubernetes clients send none."""

    stream: int
    headers: dict[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Bytes of a stream: a piece, not a whole frame. With `fin` they are the last, and may be none.

    `data` looks into the buffer given to receive(): use or copy it before that buffer changes.
    """

    stream: int
    data: memoryview
    fin: bool = False


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The stream is gone, both ways. `status` is a number of frames.Reset, or an unknown one."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Ponged:
    """The peer answered ping number `ping`: it lives."""

    ping: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The peer opens no more streams and takes none; what is open goes on."""

    last_good: int
    status: int


@dataclass(frozen=True, slots=True)
class ProtocolError:
    """The peer broke the protocol. Send what is outgoing, then close; nothing is read any more."""

    reason: str


Event = (
    StreamOpened
    | StreamReplied
    | HeadersReceived
    | DataReceived
    | StreamReset
    | Ponged
    | GoneAway
    | ProtocolError
)
