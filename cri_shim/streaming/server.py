"""The streaming server: tickets by gRPC, sessions by HTTP.

    url = streaming.exec(request)        the RPC: checked, remembered under a ticket
    GET or POST /exec/TICKET             the client: upgraded to SPDY or WebSocket, then a session

It listens on the loopback address unless told otherwise: who can reach it and guess a ticket would
be in a container.
"""

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import h11

from cri_shim.containers import exec as container_exec
from cri_shim.containers import talk
from cri_shim.engine import Engine
from cri_shim.errors import ConfigError, InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import forward
from cri_shim.streaming.certificate import Certificate
from cri_shim.streaming.connection import Answer, Connection
from cri_shim.streaming.link import Link, Session
from cri_shim.streaming.listener import Listener
from cri_shim.streaming.spdy_forward import SpdyForward
from cri_shim.streaming.spdy_session import SpdyCommand
from cri_shim.streaming.tickets import Tickets
from cri_shim.streaming.upgrade import Agreed, Purpose, Refused, agree
from cri_shim.streaming.ws_forward import WebSocketChannels, WebSocketTunnel
from cri_shim.streaming.ws_session import WebSocketCommand
from cri_shim.wire.negotiation import PORT_FORWARD_TUNNEL

MAX_STRANGERS = 256  # connections without a session yet; above it the oldest is dropped
MAX_PORTS = 127  # of one request: what the legacy WebSocket channels can number
DRAIN_S = 2.0  # for sessions to end well at shutdown: a status to their clients, commands ended

Request = api.ExecRequest | api.AttachRequest | api.PortForwardRequest
_PURPOSES: dict[type[Request], Purpose] = {
    api.ExecRequest: "exec",
    api.AttachRequest: "attach",
    api.PortForwardRequest: "portforward",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Where:
    """Address and port (0: any free one), and how long a session may be silent, in seconds."""

    address: str
    port: int
    idle: float
    certificate: Certificate | None = None


class StreamingServer:
    """`async with StreamingServer(...)`: serving inside the block, drained after it."""

    def __init__(self, on: Engine, where: Where) -> None:
        self._on = on
        self._where = where
        self._tickets: Tickets[Request] = Tickets(asyncio.get_running_loop().time)
        self._connections: set[Connection] = set()
        self._strangers: dict[Link, Connection] = {}  # those without a session, oldest first
        self._tasks: set[asyncio.Task[None]] = set()
        self._pod_watches: dict[Link, asyncio.Task[None]] = {}
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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _emptied(self) -> None:
        if self._connections:
            self._alone.clear()
            await self._alone.wait()

    # -- the RPCs -----------------------------------------------------------------------------

    def exec(self, request: api.ExecRequest) -> str:
        """The URL for a command. NotFound, WrongState for the container; ResourceExhausted."""
        return self._issue(request, container_exec.accepting(self._on, request.container_id))

    def attach(self, request: api.AttachRequest) -> str:
        """The URL for a container's own streams. NotFound, WrongState; ResourceExhausted."""
        return self._issue(request, talk.attachable(self._on, request.container_id))

    def port_forward(self, request: api.PortForwardRequest) -> str:
        """The URL for connections to a pod. NotFound, WrongState; ResourceExhausted."""
        if len(request.port) > MAX_PORTS:
            raise InvalidArgument("port", f"{len(request.port)} ports; {MAX_PORTS} at most")
        return self._issue(request, forward.ready(self._on, request.pod_sandbox_id))

    def _issue(self, request: Request, target: state.ContainerRecord | state.PodRecord) -> str:
        kept = type(request)()
        kept.CopyFrom(request)  # type: ignore[arg-type]
        if isinstance(kept, api.PortForwardRequest):
            kept.pod_sandbox_id = target.id
        else:
            kept.container_id = target.id
        if self._where.certificate is not None:
            self._where.certificate.refresh()
        return f"{self.base_url}/{_PURPOSES[type(kept)]}/{self._tickets.issue(kept)}"

    # -- the connections ----------------------------------------------------------------------

    def _connection(self) -> Connection:
        return Connection(self._opened, self._answer, self._closed, self._where.idle)

    def _opened(self, connection: Connection) -> None:
        if len(self._strangers) >= MAX_STRANGERS:
            self._strangers.pop(next(iter(self._strangers))).abort()
        self._connections.add(connection)
        self._strangers[connection] = connection

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._strangers.pop(connection, None)
        if (watch := self._pod_watches.pop(connection, None)) is not None:
            watch.cancel()
        if not self._connections:
            self._alone.set()

    def _answer(self, request: h11.Request) -> Answer:
        """What to do about a request. A ticket is void after this, whatever comes of it."""
        path = request.target.decode("latin-1").partition("?")[0]
        _, _, rest = path.partition("/")
        purpose, _, token = rest.partition("/")
        asked = self._tickets.take(token)
        if asked is None or _PURPOSES[type(asked)] != purpose:
            return Refused(404, "there is nothing here")
        if request.method not in (b"GET", b"POST"):
            return Refused(405, "only GET and POST", (("Allow", "GET, POST"),))
        agreed = agree(request, _PURPOSES[type(asked)])
        if isinstance(agreed, Refused):
            return agreed
        return agreed, functools.partial(self._open, agreed, asked)

    def _open(self, agreed: Agreed, asked: Request, link: Link) -> Session:
        self._strangers.pop(link, None)
        if isinstance(asked, api.PortForwardRequest):
            return self._open_forward(agreed, asked, link)
        begin: Callable[..., Coroutine[Any, Any, talk.Talk]]
        if isinstance(asked, api.ExecRequest):
            begin = functools.partial(talk.exec, self._on, asked)
        else:
            begin = functools.partial(talk.attach, self._on, asked)
        made = SpdyCommand if agreed.transport == "spdy" else WebSocketCommand
        return made(link, agreed.protocol, talk.streams_of(asked), begin, self._spawn)

    def _open_forward(self, agreed: Agreed, asked: api.PortForwardRequest, link: Link) -> Session:
        connect = functools.partial(forward.connect, self._on, asked.pod_sandbox_id)
        session: SpdyForward | WebSocketTunnel | WebSocketChannels
        if agreed.transport == "spdy":
            session = SpdyForward(link, connect, self._spawn)
        elif agreed.protocol == PORT_FORWARD_TUNNEL:
            session = WebSocketTunnel(link, connect, self._spawn)
        else:
            ports = list(asked.port)
            session = WebSocketChannels(link, agreed.protocol, ports, connect, self._spawn)
        watch = self._end_with_pod(asked.pod_sandbox_id, session)
        self._pod_watches[link] = self._spawn(f"forwards of {asked.pod_sandbox_id}", watch)
        return session

    async def _end_with_pod(self, id: str, session: Session) -> None:
        """Our sockets would keep the network namespace of a pod that is gone."""

        def over() -> bool:
            pod = self._on.registry.find_pod(id)
            return pod is None or pod.phase != state.POD_READY

        await self._on.registry.until(id, over)
        session.end(f"pod {id} was stopped")

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed: %s", task.get_name(), error, exc_info=error)


def _url(host: str, port: int, *, tls: bool) -> str:
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
