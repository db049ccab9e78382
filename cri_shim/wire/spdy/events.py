"""What a connection reports about the bytes it received."""

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
    """The peer accepted a stream that this side opened."""

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
    """Bytes of a stream: a piece of a frame. With `fin` they are the last, and may be empty.

    `data` is a view of the buffer given to receive(): use or copy it before that buffer changes.
    """

    stream: int
    data: memoryview
    fin: bool = False


@dataclass(frozen=True, slots=True)
class StreamReset:
    """Both directions have ended. `status` is a number of frames.Reset, or an unknown one."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Ponged:
    """The peer answered ping number `ping`, so it is alive."""

    ping: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The peer opens and accepts no more streams; open streams continue."""

    last_good: int
    status: int


@dataclass(frozen=True, slots=True)
class ProtocolError:
    """The peer broke the protocol. Send outgoing(), then close; no more bytes are read."""

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
