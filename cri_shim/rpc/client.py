"""A small client of the daemon's socket, for the command line, tests and scripts.

    async with Client("/run/cri-shim/cri-shim.sock") as client:
        answer = await client.runtime.Version(api_pb2.VersionRequest())

`runtime`, `image` and `control` have the methods of the three services. A failed call raises a
CriShimError with the server's text. Its kind is the one that the daemon raised, as far as the
status code tells it. If no daemon answers, the error is one sentence that names the socket and what
to do. `runtime` and `image` work with the socket of any CRI runtime.
"""

import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import grpc
import grpc.aio
from google.protobuf.descriptor import ServiceDescriptor

from cri_shim.errors import CriShimError, TimedOut, Unreachable
from cri_shim.rpc.codes import KIND_KEY, error_of
from cri_shim.rpc.message_size import MAX_BYTES
from cri_shim.rpc.stub import CONTROL, IMAGE, RUNTIME, Stub

if TYPE_CHECKING:
    from cri_shim.rpc.api_pb2_grpc import ImageServiceAsyncStub, RuntimeServiceAsyncStub
    from cri_shim.rpc.control_pb2_grpc import ControlAsyncStub

# Seconds: the kubelet's own default for a call. A pull may need more.
DEFAULT_TIMEOUT = 120.0

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", MAX_BYTES),
    ("grpc.max_send_message_length", MAX_BYTES),
    # Without it gRPC sends the escaped socket path as authority, which servers in Go refuse.
    ("grpc.default_authority", "localhost"),
    ("grpc.enable_http_proxy", 0),
    # Without it the connections of one process are shared, and with them the pause after a failure:
    # a new client of a restarted daemon would be refused for seconds.
    ("grpc.use_local_subchannel_pool", 1),
]


class Client:
    """A connection to one socket.

    `timeout` (seconds, None for no limit) applies to each unary call; the `timeout` argument of a
    call overrides it. Streams have no limit of their own.
    """

    runtime: "RuntimeServiceAsyncStub"
    image: "ImageServiceAsyncStub"
    control: "ControlAsyncStub"

    def __init__(self, socket_path: Path | str, *, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        self._path = Path(socket_path).absolute()
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(f"unix://{self._path}", _OPTIONS)
        self.runtime = cast("RuntimeServiceAsyncStub", self._calls(RUNTIME))
        self.image = cast("ImageServiceAsyncStub", self._calls(IMAGE))
        self.control = cast("ControlAsyncStub", self._calls(CONTROL))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close(None)

    def _calls(self, service: ServiceDescriptor) -> "_Calls":
        return _Calls(Stub(self._channel, service), self._path, self._timeout)


class _Calls:
    """A stub whose calls have a time limit and raise CriShimError."""

    def __init__(self, stub: Stub, path: Path, timeout: float | None) -> None:
        self._stub = stub
        self._path = path
        self._timeout = timeout

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stub, name)

        async def unary(request: Any, timeout: float | None = self._timeout) -> Any:
            try:
                return await method(request, timeout=timeout)
            except grpc.aio.AioRpcError as error:
                raise self._translated(name, error, timeout) from error

        async def stream(request: Any, timeout: float | None = None) -> AsyncIterator[Any]:
            call = method(request, timeout=timeout)
            try:
                async for response in call:
                    yield response
            except grpc.aio.AioRpcError as error:
                raise self._translated(name, error, timeout) from error
            finally:
                call.cancel()

        return stream if isinstance(method, grpc.aio.UnaryStreamMultiCallable) else unary

    def _translated(
        self, name: str, error: grpc.aio.AioRpcError, timeout: float | None
    ) -> CriShimError:
        code, text = error.code(), error.details() or ""
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and text == "Deadline Exceeded":
            return TimedOut(f"{name}: no answer from {self._path} within {timeout} seconds")
        if code is grpc.StatusCode.UNAVAILABLE and (problem := _unreachable(self._path)):
            return problem
        metadata = dict(cast("list[tuple[str, str]]", error.trailing_metadata() or []))
        return error_of(code, text, str(metadata.get(KIND_KEY, "")))


def _unreachable(path: Path) -> Unreachable | None:
    """Return why nothing can be connected to the socket; None if a server accepts.

    gRPC's own text for this is a page about name resolution and addresses.
    """
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            probe.connect(str(path))
    except PermissionError as error:
        return Unreachable(
            f"this user may not use the socket {path} ({error.strerror}): run the command as root,"
            " or name your own daemon's socket with --socket"
        )
    except OSError as error:
        return Unreachable(
            f"no daemon answers on {path} ({error.strerror or error}): start it with `cri-shim"
            " serve`, or name another socket with --socket"
        )
    return None
