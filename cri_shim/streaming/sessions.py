"""Makes the session of a request over the agreed protocol, and owns the tasks of sessions."""

import asyncio
import functools
import logging
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from cri_shim import lifecycle
from cri_shim.activity.error_names import naming_objects
from cri_shim.activity.peer import Peer
from cri_shim.aio.tasks import Tasks
from cri_shim.containers import interactive
from cri_shim.engine import Engine
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.pods import forward
from cri_shim.streaming.link import Link, Session
from cri_shim.streaming.memory import TOTAL_INPUT, Pool
from cri_shim.streaming.register import Client, Register
from cri_shim.streaming.resources import Resources
from cri_shim.streaming.slots import Slot, Slots
from cri_shim.streaming.spdy_forward import SpdyForward
from cri_shim.streaming.spdy_session import SpdyCommand
from cri_shim.streaming.upgrade import Agreed, Purpose
from cri_shim.streaming.ws_forward import WebSocketChannels, WebSocketTunnel
from cri_shim.streaming.ws_session import WebSocketCommand
from cri_shim.wire.negotiation import PORT_FORWARD_TUNNEL

Request = interactive.ExecRequest | interactive.AttachRequest | api.PortForwardRequest
PURPOSES: dict[type[Request], Purpose] = {
    api.ExecRequest: "exec",
    control.ExecRequest: "exec",
    api.AttachRequest: "attach",
    control.AttachRequest: "attach",
    api.PortForwardRequest: "portforward",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request that has a slot and waits for its client."""

    request: Request
    pod_id: str
    slot: Slot
    peer: Peer | None = None  # the process that asked, if its socket tells it

    @property
    def purpose(self) -> Purpose:
        return PURPOSES[type(self.request)]


class Sessions:
    """`open` makes a session, `ended` must be called with its link. `close` ends all tasks."""

    def __init__(self, engine: Engine, slots: Slots, register: Register) -> None:
        self._engine = engine
        self._register = register
        self._slots = slots
        self._input = Pool(TOTAL_INPUT)
        self._tasks = Tasks()
        self._pod_watches: dict[Link, asyncio.Task[None]] = {}

    def open(self, agreed: Agreed, pending: PendingRequest, client: Client) -> Session:
        """Make the session of a client whose request was accepted."""
        request = pending.request
        container = "" if isinstance(request, api.PortForwardRequest) else request.container_id
        running = self._register.begin(
            pending.purpose, pending.pod_id, container, pending.peer, client
        )
        refused = functools.partial(self._log_refusal, pending)
        named = self._engine.objects.named
        resources = Resources(
            self._tasks.spawn, self._input, self._slots, refused, named, running.finished
        )
        running.session = self._made(agreed, request, client, resources)
        return running.session

    def _made(self, agreed: Agreed, request: Request, link: Link, resources: Resources) -> Session:
        if isinstance(request, api.PortForwardRequest):
            return self._forward(agreed, request, link, resources)
        begin: Callable[..., Coroutine[Any, Any, interactive.InteractiveSession]]
        if isinstance(request, api.ExecRequest | control.ExecRequest):
            begin = functools.partial(interactive.exec, self._engine, request)
        else:
            begin = functools.partial(interactive.attach, self._engine, request)
        made = SpdyCommand if agreed.transport == "spdy" else WebSocketCommand
        return made(link, agreed.protocol, interactive.streams_of(request), begin, resources)

    def _forward(
        self, agreed: Agreed, request: api.PortForwardRequest, link: Link, resources: Resources
    ) -> Session:
        connect = functools.partial(self._connect, request.pod_sandbox_id)
        session: SpdyForward | WebSocketTunnel | WebSocketChannels
        if agreed.transport == "spdy":
            session = SpdyForward(link, connect, resources)
        elif agreed.protocol == PORT_FORWARD_TUNNEL:
            session = WebSocketTunnel(link, connect, resources)
        else:
            ports = list(request.port)
            session = WebSocketChannels(link, agreed.protocol, ports, connect, resources)
        watch = self._end_with_pod(request.pod_sandbox_id, session)
        self._pod_watches[link] = self._tasks.spawn(f"forwards of {request.pod_sandbox_id}", watch)
        return session

    async def _connect(self, pod_id: str, port: int) -> socket.socket:
        with naming_objects(self._engine.objects.named):
            return await forward.connect(self._engine, pod_id, port)

    async def _end_with_pod(self, id: str, session: Session) -> None:
        """End the session with its pod: its sockets would keep the pod's network namespace."""
        pod = self._engine.objects.pod_subject(id)

        def is_over() -> bool:
            pod = self._engine.objects.find_pod(id)
            return pod is None or not lifecycle.is_ready(pod)

        await self._engine.objects.until(id, is_over)
        session.end(f"{pod} was stopped")

    def _log_refusal(self, pending: PendingRequest, what: str) -> None:
        pod = self._engine.objects.pod_subject(pending.pod_id)
        _log.warning("%s session of %s: %s", pending.purpose, pod, what)

    def ended(self, link: Link) -> None:
        """The client has gone. A link without a session is ignored."""
        self._register.ended(link)
        if (watch := self._pod_watches.pop(link, None)) is not None:
            watch.cancel()

    async def close(self) -> None:
        """End the tasks that are left of sessions whose clients have gone."""
        await self._tasks.drain()
