"""The gRPC server on the unix socket: the CRI's two services and the control service."""

from types import TracebackType

import grpc.aio

from cri_shim.engine import Engine
from cri_shim.errors import StateError
from cri_shim.pb import api_pb2, control_pb2
from cri_shim.pods.telemetry import Telemetry
from cri_shim.rpc import boundary
from cri_shim.rpc.control_service import ControlService, Reports
from cri_shim.rpc.doors import Doors
from cri_shim.rpc.guard import Guard
from cri_shim.rpc.image_service import ImageService
from cri_shim.rpc.peers import Peers
from cri_shim.rpc.runtime_service import RuntimeService
from cri_shim.rpc.sockets import Sockets
from cri_shim.rpc.status import RuntimeStatus
from cri_shim.rpc.stream_urls import StreamUrls
from cri_shim.validate.requests import Validator

DRAIN_S = 10.0  # seconds that running calls get when the server stops


class Server:
    """`async with Server(...)`: it serves inside the block and is drained after it."""

    def __init__(
        self,
        sockets: Sockets,
        engine: Engine,
        status: RuntimeStatus,
        reports: Reports,
        streams: StreamUrls,
        telemetry: Telemetry,
    ) -> None:
        self._sockets = sockets
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
        peers = Peers()
        self._guard = None
        if sockets.doors or sockets.journal is not None:
            self._guard = Guard(peers, sockets.journal, exec_sync=sockets.records_exec_sync)
        self._doors = Doors(
            sockets.main,
            sockets.private,
            self._make,
            peers,
            doors=sockets.doors,
            gated=sockets.journal is not None,
        )

    def _make(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=boundary.SERVER_OPTIONS)
        around = boundary.Surroundings(
            check=Validator(),
            named=self._named,
            stopping=lambda: self._stopping,
            begin=self._begin,
            guard=self._guard,
        )
        for descriptor, service in self._services:
            boundary.add(server, descriptor, service, around)
        return server

    @property
    def restarts(self) -> int:
        """How often the gRPC server has ended by itself and was made again."""
        return self._doors.restarts

    async def __aenter__(self) -> "Server":
        """Start to serve. StateError if the socket cannot be made, or another program uses it."""
        try:
            await self._doors.open()
        except (OSError, RuntimeError) as e:  # gRPC raises RuntimeError if it cannot bind
            raise StateError(
                f"cannot serve on the socket {self._sockets.main}: {e};"
                " choose another [server] socket"
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
        await self._doors.close(DRAIN_S)
        self._exec_failures.close()
