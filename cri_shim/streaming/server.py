"""The streaming server: tickets by gRPC, sessions by HTTP.

    url = streaming.exec(request)        the RPC: checked, remembered under a ticket
    GET or POST /exec/TICKET             the client: upgraded to SPDY or WebSocket, then a session

It listens on the loopback address unless told otherwise: who can reach it and guess a ticket would
be in a container.
"""

import asyncio
import functools
from dataclasses import dataclass
from types import TracebackType

import h11

from cri_shim.aio import descriptors
from cri_shim.aio.rounds import Rounds
from cri_shim.containers import exec as container_exec
from cri_shim.containers import interactive
from cri_shim.engine import Engine
from cri_shim.errors import ConfigError, InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.pods import forward
from cri_shim.streaming.certificate import Certificate
from cri_shim.streaming.connection import Answer, Connection, Shared
from cri_shim.streaming.link import Link, Session
from cri_shim.streaming.listener import Listener
from cri_shim.streaming.memory import TOTAL_OUTPUT, Pool
from cri_shim.streaming.places import Place, Places
from cri_shim.streaming.sessions import PURPOSES, Asked, Request, Sessions
from cri_shim.streaming.tickets import Tickets
from cri_shim.streaming.upgrade import Agreed, Refused, agree

MAX_STRANGERS = 256  # connections without a session yet; above it the oldest is dropped
MAX_PORTS = 127  # of one request: what the legacy WebSocket channels can number
DRAIN_S = 2.0  # for sessions to end well at shutdown: a status to their clients, commands ended


@dataclass(frozen=True, slots=True)
class Where:
    """Address and port (0: any free one), and the bounds of sessions.

    `idle` is how long one may be silent, in seconds; `most` and `most_of_pod` are how many may be.
    """

    address: str
    port: int
    idle: float
    most: int
    most_of_pod: int
    certificate: Certificate | None = None


class StreamingServer:
    """`async with StreamingServer(...)`: serving inside the block, drained after it."""

    def __init__(self, engine: Engine, where: Where) -> None:
        self._engine = engine
        self._where = where
        clock = asyncio.get_running_loop().time
        self._tickets: Tickets[Asked] = Tickets(clock, lambda asked: asked.place.free())
        self._descriptors = descriptors.limit()
        self._places = Places(where.most, where.most_of_pod, self._descriptors)
        self._sessions = Sessions(engine, self._places)
        self._shared = Shared(where.idle, Rounds(), Pool(TOTAL_OUTPUT))
        self._connections: dict[Connection, Place | None] = {}
        self._strangers: dict[Link, Connection] = {}  # those without a session, oldest first
        self._alone = asyncio.Event()  # no connection is left
        self._listener: Listener | None = None
        self.base_url = ""

    async def __aenter__(self) -> "StreamingServer":
        """ConfigError if the address cannot be listened on, or the certificate not be used."""
        where, context = self._where, None
        if where.certificate is not None:
            context = where.certificate.load()
        self._listener = Listener(self._connection, context)
        try:
            host, port = self._listener.listen(where.address, where.port)
        except OSError as e:
            raise ConfigError(
                f"[streaming] cannot listen on {where.address} port {where.port}: {e.strerror};"
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
                await self._emptied()
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
            await self._emptied()
        await self._sessions.close()

    async def _emptied(self) -> None:
        if self._connections:
            self._alone.clear()
            await self._alone.wait()

    # -- the RPCs -----------------------------------------------------------------------------

    def exec(self, request: api.ExecRequest) -> str:
        """The URL for a command. NotFound, WrongState for the container; ResourceExhausted."""
        container = container_exec.accepting(self._engine, request.container_id)
        return self._issue(request, container.id, container.pod_id)

    def attach(self, request: api.AttachRequest) -> str:
        """The URL for a container's own streams. NotFound, WrongState; ResourceExhausted."""
        container = interactive.attachable(self._engine, request.container_id)
        return self._issue(request, container.id, container.pod_id)

    def port_forward(self, request: api.PortForwardRequest) -> str:
        """The URL for connections to a pod. NotFound, WrongState; ResourceExhausted."""
        if len(request.port) > MAX_PORTS:
            raise InvalidArgument("port", f"{len(request.port)} ports; {MAX_PORTS} at most")
        pod_id = forward.ready(self._engine, request.pod_sandbox_id).id
        return self._issue(request, pod_id, pod_id)

    def _issue(self, request: Request, id: str, pod_id: str) -> str:
        kept = type(request)()
        kept.CopyFrom(request)  # type: ignore[arg-type]
        if isinstance(kept, api.PortForwardRequest):
            kept.pod_sandbox_id = id
        else:
            kept.container_id = id
        purpose = PURPOSES[type(kept)]
        self._tickets.expire()
        asked = Asked(kept, pod_id, self._places.take(pod_id, purpose))
        if self._where.certificate is not None:
            self._where.certificate.refresh()
        return f"{self.base_url}/{purpose}/{self._tickets.issue(asked)}"

    # -- the connections ----------------------------------------------------------------------

    def _connection(self) -> Connection:
        return Connection(self, self._shared)

    def opened(self, connection: Connection) -> None:
        """For its connections, as are the next two."""
        if len(self._strangers) >= min(MAX_STRANGERS, self._descriptors // 8):
            self._strangers.pop(next(iter(self._strangers))).abort()
        self._connections[connection] = None
        self._strangers[connection] = connection

    def closed(self, connection: Connection) -> None:
        if (place := self._connections.pop(connection, None)) is not None:
            place.free()
        self._strangers.pop(connection, None)
        self._sessions.ended(connection)
        if not self._connections:
            self._alone.set()

    def answer(self, connection: Connection, request: h11.Request) -> Answer:
        """What to do about a request. A ticket is void after this, whatever comes of it."""
        path = request.target.decode("latin-1").partition("?")[0]
        _, _, rest = path.partition("/")
        purpose, _, token = rest.partition("/")
        asked = self._tickets.take(token)
        if asked is None:
            return Refused(404, "there is nothing here")
        self._connections[connection] = asked.place
        if asked.purpose != purpose:
            return Refused(404, "there is nothing here")
        if request.method not in (b"GET", b"POST"):
            return Refused(405, "only GET and POST", (("Allow", "GET, POST"),))
        agreed = agree(request, asked.purpose)
        if isinstance(agreed, Refused):
            return agreed
        return agreed, functools.partial(self._open, agreed, asked)

    def _open(self, agreed: Agreed, asked: Asked, link: Link) -> Session:
        self._strangers.pop(link, None)
        return self._sessions.open(agreed, asked, link)


def _url(host: str, port: int, *, tls: bool) -> str:
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
