"""The end of a ttrpc connection that calls. Streams have odd numbers, which only grow."""

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from cri_shim.pb import ttrpc_pb2 as pb
from cri_shim.wire.ttrpc.frames import MAX_DATA, BadFrame, Frame, FrameReader, Kind, frame

OK = 0
RESOURCE_EXHAUSTED = 8


class TooLarge(ValueError):
    """A call that does not fit into a frame; nothing was sent. `size` is its length in bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"a call of {size} bytes, at most {MAX_DATA} fit into a frame")
        self.size = size


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call: the payload if `code`, a code of gRPC, is 0; else the peer's error."""

    stream: int
    code: int
    message: str
    payload: bytes


class Client:
    def __init__(self) -> None:
        self._reader = FrameReader()
        self._out: list[bytes] = []
        self._next = 1
        self._waiting: set[int] = set()

    def call(self, service: str, method: str, payload: bytes, timeout_ns: int = 0) -> int:
        """Queue a call, return the number of its stream. TooLarge if it does not fit.

        `timeout_ns` tells the server how long the caller waits; the caller enforces it.
        """
        request = pb.Request(
            service=service, method=method, payload=payload, timeout_nano=timeout_ns
        ).SerializeToString()
        if len(request) > MAX_DATA:
            raise TooLarge(len(request))
        stream, self._next = self._next, self._next + 2
        self._waiting.add(stream)
        self._out.append(frame(stream, Kind.REQUEST, request))
        return stream

    def forget(self, stream: int) -> None:
        """Ignore the answer to a call: its caller no longer waits."""
        self._waiting.discard(stream)

    def receive(self, data: bytes | bytearray | memoryview) -> list[Answer]:
        """Take received bytes; return the answers to calls. Raises BadFrame.

        Late answers to forgotten calls are dropped.
        """
        answers = [self._answer(one) for one in self._reader.receive(data)]
        return [answer for answer in answers if answer is not None]

    def outgoing(self) -> list[bytes]:
        """Return the frames to send, and forget them."""
        out, self._out = self._out, []
        return out

    def _answer(self, got: Frame) -> Answer | None:
        if got.kind not in (Kind.RESPONSE, Kind.DATA):
            return None  # kinds of later versions are ignored
        if got.stream % 2 == 0 or got.stream >= self._next:
            raise BadFrame(f"an answer on stream {got.stream}, on which no call was made")
        if got.stream not in self._waiting:
            return None
        if got.kind == Kind.DATA:
            raise BadFrame(f"data on stream {got.stream} of a unary call")
        self._waiting.discard(got.stream)
        if got.oversize:
            problem = f"an answer of {got.oversize} bytes, at most {MAX_DATA} are allowed"
            return Answer(got.stream, RESOURCE_EXHAUSTED, problem, b"")
        try:
            response = pb.Response.FromString(got.data)
        except DecodeError as e:
            raise BadFrame(f"an answer on stream {got.stream} that is not a Response") from e
        status = response.status
        return Answer(got.stream, status.code, status.message, response.payload)
