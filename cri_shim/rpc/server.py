"""The gRPC server on the unix socket: the CRI's two services and the control service."""

import socket
from pathlib import Path
from types import TracebackType

import grpc.aio

from cri_shim.engine import Engine
from cri_shim.errors import StateError
from cri_shim.pb import api_pb2, control_pb2
from cri_shim.pods.telemetry import Telemetry
from cri_shim.rpc import boundary
from cri_shim.rpc.control_service import ControlService, Reports
from cri_shim.rpc.image_service import ImageService
from cri_shim.rpc.listening import Listening
from cri_shim.rpc.runtime_service import RuntimeService
from cri_shim.rpc.status import RuntimeStatus
from cri_shim.rpc.stream_urls import StreamUrls
from cri_shim.validate.requests import Validator

DRAIN_S = 10.0  # seconds that running calls get when the server stops


class Server:
    """`async with Server(...)`: it serves inside the block and is drained after it."""

    def __init__(
        self,
        path: Path,
        engine: Engine,
        status: RuntimeStatus,
        reports: Reports,
        streams: StreamUrls,
        telemetry: Telemetry,
    ) -> None:
        self._path = path
        self._telemetry = telemetry
        self._pulls = engine.images.pulls
        self._control = ControlService(engine, reports, streams)
        self._named = engine.objects.named
        self._begin = engine.live.enter
        self._stopping = False
        known = api_pb2.DESCRIPTOR.services_by_name
        runtime = RuntimeService(engine, status, streams, telemetry)
        self._exec_failures = runtime.exec_failures
        self._services = (
            (known["RuntimeService"], runtime),
            (known["ImageService"], ImageService(engine)),
            (control_pb2.DESCRIPTOR.services_by_name["Control"], self._control),
        )
        self._listening = Listening(path, self._make)

    def _make(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=boundary.SERVER_OPTIONS)
        around = boundary.Surroundings(
            check=Validator(),
            named=self._named,
            stopping=lambda: self._stopping,
            begin=self._begin,
        )
        for descriptor, service in self._services:
            boundary.add(server, descriptor, service, around)
        return server

    async def __aenter__(self) -> "Server":
        """Start to serve. StateError if the socket cannot be made, or another program uses it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _remove_stale(self._path)
            await self._listening.open()
        except (OSError, RuntimeError) as e:  # gRPC raises RuntimeError if it cannot bind
            raise StateError(
                f"cannot serve on the socket {self._path}: {e}; choose another [server] socket"
            ) from e
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stopping = True
        self._telemetry.events.end()  # otherwise the followers of events would never end
        self._pulls.close()
        self._control.end_calls()
        await self._listening.close(DRAIN_S)
        self._exec_failures.close()


def _remove_stale(path: Path) -> None:
    """Remove the socket of a dead daemon; StateError if another program listens on it."""
    if not path.is_socket():
        if path.exists():
            raise StateError(f"{path} exists and is not a socket; choose another [server] socket")
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise StateError(f"another program serves on {path}; stop it, or choose another socket")
