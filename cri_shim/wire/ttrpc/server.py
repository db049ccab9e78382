"""The end of a ttrpc connection that answers.

A wrong call is answered with an error here, and the caller of this class does not see it.
"""

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from cri_shim.pb import ttrpc_pb2 as pb
from cri_shim.wire.ttrpc.frames import (
    MAX_DATA,
    NO_DATA,
    REMOTE_OPEN,
    Frame,
    FrameReader,
    Kind,
    frame,
)

INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED = 3, 8, 12  # codes of gRPC
_MESSAGE_LIMIT = 64 * 1024  # characters of an error that is sent


@dataclass(frozen=True, slots=True)
class Call:
    """A call that waits for `answer` or `refuse`."""

    stream: int
    service: str
    method: str
    payload: bytes
    timeout_ns: int


class Server:
    def __init__(self, max_calls: int) -> None:
        """At most `max_calls` calls wait for an answer; further ones are refused."""
        self._reader = FrameReader()
        self._out: list[bytes] = []
        self._max_calls = max_calls
        self._open: set[int] = set()
        self._last = 0

    def receive(self, data: bytes | bytearray | memoryview) -> list[Call]:
        """Take received bytes; return the new calls. Raises BadFrame."""
        calls = [self._call(one) for one in self._reader.receive(data)]
        return [call for call in calls if call is not None]

    def answer(self, stream: int, payload: bytes) -> None:
        """Queue the answer to a call; RESOURCE_EXHAUSTED instead of one that does not fit."""
        response = pb.Response(payload=payload).SerializeToString()
        if len(response) > MAX_DATA:
            problem = f"an answer of {len(response)} bytes, at most {MAX_DATA} are allowed"
            self.refuse(stream, RESOURCE_EXHAUSTED, problem)
            return
        self._open.discard(stream)
        self._out.append(frame(stream, Kind.RESPONSE, response))

    def refuse(self, stream: int, code: int, message: str) -> None:
        """Queue an error, with a code of gRPC, as the answer to a call."""
        self._open.discard(stream)
        status = pb.Status(code=code, message=message[:_MESSAGE_LIMIT])
        response = pb.Response(status=status).SerializeToString()
        self._out.append(frame(stream, Kind.RESPONSE, response))

    def outgoing(self) -> list[bytes]:
        """Return the frames to send, and forget them."""
        out, self._out = self._out, []
        return out

    def _call(self, got: Frame) -> Call | None:
        problem = self._problem(got)
        if problem is not None:
            self.refuse(got.stream, *problem)
            return None
        if got.kind != Kind.REQUEST:
            return None  # kinds of later versions are ignored
        self._last = got.stream
        if len(self._open) >= self._max_calls:
            full = f"{self._max_calls} calls wait for an answer already"
            self.refuse(got.stream, RESOURCE_EXHAUSTED, full)
            return None
        try:
            request = pb.Request.FromString(got.data)
        except DecodeError:
            self.refuse(got.stream, INVALID_ARGUMENT, "the data is not a Request")
            return None
        self._open.add(got.stream)
        return Call(
            got.stream, request.service, request.method, request.payload, request.timeout_nano
        )

    def _problem(self, got: Frame) -> tuple[int, str] | None:
        """Return the error for a frame that no client may send."""
        if got.oversize:
            problem = f"{got.oversize} bytes of data, at most {MAX_DATA} are allowed"
            return RESOURCE_EXHAUSTED, problem
        if got.stream % 2 == 0:
            return INVALID_ARGUMENT, "the stream of a client must have an odd number"
        if got.kind == Kind.DATA:
            return INVALID_ARGUMENT, "data, but no stream of data is open"
        if got.kind == Kind.REQUEST and got.stream <= self._last:
            return INVALID_ARGUMENT, "the number of a stream must grow"
        if got.kind == Kind.REQUEST and got.flags & (REMOTE_OPEN | NO_DATA):
            return UNIMPLEMENTED, "streams of data are not served"
        return None
