"""The streaming server: tickets by gRPC, sessions by HTTP.

    url = streaming.exec(request)        the RPC: the request is checked and kept under a ticket
    GET or POST /exec/TICKET             the client: upgraded to SPDY or WebSocket, then a session

By default it listens on the loopback address: a client that reaches it and guesses a ticket gets
into a container.
"""

import asyncio
import functools
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

import h11

from cri_shim.activity import caller
from cri_shim.aio import descriptors
from cri_shim.aio.rounds import Rounds
from cri_shim.audit.journal import Journal
from cri_shim.containers import exec as container_exec
from cri_shim.containers import interactive
from cri_shim.engine import Engine
from cri_shim.errors import ConfigError, InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.pods import forward
from cri_shim.streaming.certificate import Certificate
from cri_shim.streaming.connection import Answer, ClientConnection, Shared
from cri_shim.streaming.link import Link, Session
from cri_shim.streaming.listener import Listener
from cri_shim.streaming.memory import TOTAL_OUTPUT, Pool
from cri_shim.streaming.register import Register, Running
from cri_shim.streaming.sessions import PURPOSES, PendingRequest, Request, Sessions
from cri_shim.streaming.slots import Slot, Slots
from cri_shim.streaming.tickets import Tickets
from cri_shim.streaming.upgrade import Agreed, Refusal, agree

MAX_WITHOUT_SESSION = 256  # connections without a session; above the limit the oldest is dropped
MAX_PORTS = 127  # ports of one request: the limit of the legacy WebSocket channels
_log = logging.getLogger(__name__)

DRAIN_S = 2.0  # for sessions to end at shutdown: send the status to the client, end the command


@dataclass(frozen=True, slots=True)
class StreamingConfig:
    """Address and port (0: any free one), and the limits of sessions.

    `idle` is the limit of silence of a session in seconds; `most` and `most_of_pod` are the limits
    of sessions on the node and of one pod.
    """

    address: str
    port: int
    idle: float
    most: int
    most_of_pod: int
    certificate: Certificate | None = None


class StreamingServer:
    """`async with StreamingServer(...)`: it serves inside the block and is drained after it."""

    def __init__(
        self, engine: Engine, config: StreamingConfig, journal: Journal | None = None
    ) -> None:
        """`journal` is the audit record, in which sessions are noted."""
        self._engine = engine
        self._config = config
        clock = asyncio.get_running_loop().time
        self._tickets: Tickets[PendingRequest] = Tickets(clock, lambda pending: pending.slot.free())
        self._descriptors = descriptors.limit()
        self.slots = Slots(config.most, config.most_of_pod, self._descriptors)
        self._register = Register(self._named, journal)
        self._sessions = Sessions(engine, self.slots, self._register)
        self._shared = Shared(config.idle, Rounds(), Pool(TOTAL_OUTPUT))
        self._connections: dict[ClientConnection, Slot | None] = {}
        self._without_session: dict[Link, ClientConnection] = {}  # oldest first
        self._empty = asyncio.Event()  # set when no connection is left
        self._listener: Listener | None = None
        self.base_url = ""

    async def __aenter__(self) -> "StreamingServer":
        """Start to listen. ConfigError if the address or the certificate cannot be used."""
        config, context = self._config, None
        if config.certificate is not None:
            context = config.certificate.load()
        self._listener = Listener(self._connection, context)
        try:
            host, port = self._listener.listen(config.address, config.port)
        except OSError as e:  # asyncio's own text repeats the address
            why = os.strerror(e.errno) if e.errno else str(e)
            raise ConfigError(
                f"[streaming] cannot listen on {config.address} port {config.port}: {why};"
                " choose another address or port"
            ) from e
        self.base_url = _url(host, port, tls=context is not None)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._listener is not None:
            await self._listener.close()
        for connection in list(self._connections):
            connection.end("the container runtime is being stopped")
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._wait_empty()
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
            await self._wait_empty()
        await self._sessions.close()

    def limit(self, idle: float, most: int, most_of_pod: int) -> None:
        """Change the limits of sessions, see StreamingConfig."""
        self._shared.idle = idle
        self.slots.limit(most, most_of_pod)

    async def _wait_empty(self) -> None:
        if self._connections:
            self._empty.clear()
            await self._empty.wait()

    # -- the RPCs -----------------------------------------------------------------------------

    def exec(self, request: interactive.ExecRequest) -> str:
        """Return the URL for a command. NotFound, WrongState, ResourceExhausted."""
        container = container_exec.accepting(self._engine, request.container_id)
        return self._issue(request, container.id, container.pod_id)

    def attach(self, request: interactive.AttachRequest) -> str:
        """Return the URL for a container's own streams. NotFound, WrongState, ResourceExhausted."""
        if isinstance(request, control.AttachRequest) and request.start:
            container = self._engine.objects.container(request.container_id)
        else:
            container = interactive.attachable(self._engine, request.container_id)
        return self._issue(request, container.id, container.pod_id)

    def port_forward(self, request: api.PortForwardRequest) -> str:
        """Return the URL for connections to a pod. NotFound, WrongState, ResourceExhausted."""
        if len(request.port) > MAX_PORTS:
            raise InvalidArgument("port", f"{len(request.port)} ports; {MAX_PORTS} at most")
        pod_id = forward.ready(self._engine, request.pod_sandbox_id).id
        return self._issue(request, pod_id, pod_id)

    def _named(self, kind: str, id: str) -> object | None:
        return self._engine.objects.named(kind, id)

    def sessions(self) -> Iterable[Running]:
        """Return the running sessions, the oldest first."""
        return self._register

    def end_session(self, id: str) -> None:
        """End the session of an id, or of a unique beginning of one. NotFound."""
        running = self._register.find(id)
        _log.info("%s session %s of %s is ended", running.purpose, running.id, running.object)
        running.end("the session was ended by an operator")

    def _issue(self, request: Request, id: str, pod_id: str) -> str:
        kept = type(request)()
        kept.CopyFrom(request)  # type: ignore[arg-type]
        if isinstance(kept, api.PortForwardRequest):
            kept.pod_sandbox_id = id
        else:
            kept.container_id = id
        purpose = PURPOSES[type(kept)]
        self._tickets.expire()
        call = caller.current()
        peer = None if call is None else call.peer
        pending = PendingRequest(kept, pod_id, self.slots.take(pod_id, purpose), peer)
        if self._config.certificate is not None:
            self._config.certificate.refresh()
        return f"{self.base_url}/{purpose}/{self._tickets.issue(pending)}"

    # -- the connections ----------------------------------------------------------------------

    def _connection(self) -> ClientConnection:
        return ClientConnection(self, self._shared)

    def opened(self, connection: ClientConnection) -> None:
        """Called by connections, like `closed` and `answer`."""
        if len(self._without_session) >= min(MAX_WITHOUT_SESSION, self._descriptors // 8):
            self._without_session.pop(next(iter(self._without_session))).abort()
        self._connections[connection] = None
        self._without_session[connection] = connection

    def closed(self, connection: ClientConnection) -> None:
        if (slot := self._connections.pop(connection, None)) is not None:
            slot.free()
        self._without_session.pop(connection, None)
        self._sessions.ended(connection)
        if not self._connections:
            self._empty.set()

    def answer(self, connection: ClientConnection, request: h11.Request) -> Answer:
        """Decide how to answer a request. Its ticket is void afterwards, in every case."""
        path = request.target.decode("latin-1").partition("?")[0]
        _, _, rest = path.partition("/")
        purpose, _, token = rest.partition("/")
        pending = self._tickets.take(token)
        if pending is None:
            return Refusal(404, "there is nothing here")
        self._connections[connection] = pending.slot
        if pending.purpose != purpose:
            return Refusal(404, "there is nothing here")
        if request.method not in (b"GET", b"POST"):
            return Refusal(405, "only GET and POST", (("Allow", "GET, POST"),))
        agreed = agree(request, pending.purpose)
        if isinstance(agreed, Refusal):
            return agreed
        return agreed, functools.partial(self._open, agreed, pending)

    def _open(self, agreed: Agreed, pending: PendingRequest, link: Link) -> Session:
        client = self._without_session.pop(link)
        return self._sessions.open(agreed, pending, client)


def _url(host: str, port: int, *, tls: bool) -> str:
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
