"""The gRPC server on the unix socket: CRI's two services and our own control service."""

import socket as sockets
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc.aio

from cri_shim.engine import Engine
from cri_shim.errors import StateError
from cri_shim.pb import api_pb2, control_pb2
from cri_shim.pods.telemetry import Telemetry
from cri_shim.rpc import boundary
from cri_shim.rpc.control_service import ControlService
from cri_shim.rpc.image_service import ImageService
from cri_shim.rpc.listening import Listening
from cri_shim.rpc.runtime_service import RuntimeService, Streams
from cri_shim.rpc.status import RuntimeStatus
from cri_shim.validate.requests import Validator

DRAIN_S = 10.0  # calls in hand are given this long when the server stops


class Server:
    """`async with Server(...)`: serving inside the block, drained after it."""

    def __init__(
        self,
        path: Path,
        engine: Engine,
        status: RuntimeStatus,
        info: Callable[[], Awaitable[dict[str, Any]]],
        streams: Streams,
        observation: Telemetry,
    ) -> None:
        self._path = path
        self._observation = observation
        known = api_pb2.DESCRIPTOR.services_by_name
        self._services = (
            (known["RuntimeService"], RuntimeService(engine, status, streams, observation)),
            (known["ImageService"], ImageService(engine)),
            (
                control_pb2.DESCRIPTOR.services_by_name["Control"],
                ControlService(engine, info),
            ),
        )
        self._listening = Listening(path, self._made)

    def _made(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=boundary.SERVER_OPTIONS)
        check = Validator()
        for descriptor, service in self._services:
            boundary.add(server, descriptor, service, check)
        return server

    async def __aenter__(self) -> "Server":
        """StateError for a socket that cannot be made, or that another program serves on."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _remove_stale(self._path)
            await self._listening.open()
        except (OSError, RuntimeError) as e:  # gRPC has the second for an address it cannot bind
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
        self._observation.events.end()  # who follows events would go on for ever
        await self._listening.close(DRAIN_S)


def _remove_stale(path: Path) -> None:
    """Remove the socket of a daemon that died; StateError if somebody still listens on it."""
    if not path.is_socket():
        if path.exists():
            raise StateError(f"{path} exists and is no socket; choose another [server] socket")
        return
    with sockets.socket(sockets.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise StateError(f"another program serves on {path}; stop it, or choose another socket")
