"""Making sessions: of what was asked for, over what was agreed on; and the tasks they begin."""

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from cri_shim import lifecycle
from cri_shim.containers import interactive
from cri_shim.engine import Engine
from cri_shim.pb import api_pb2 as api
from cri_shim.pods import forward
from cri_shim.streaming.link import Link, Session
from cri_shim.streaming.means import Means
from cri_shim.streaming.memory import TOTAL_INPUT, Pool
from cri_shim.streaming.places import Place, Places
from cri_shim.streaming.spdy_forward import SpdyForward
from cri_shim.streaming.spdy_session import SpdyCommand
from cri_shim.streaming.upgrade import Agreed, Purpose
from cri_shim.streaming.ws_forward import WebSocketChannels, WebSocketTunnel
from cri_shim.streaming.ws_session import WebSocketCommand
from cri_shim.wire.negotiation import PORT_FORWARD_TUNNEL

Request = api.ExecRequest | api.AttachRequest | api.PortForwardRequest
PURPOSES: dict[type[Request], Purpose] = {
    api.ExecRequest: "exec",
    api.AttachRequest: "attach",
    api.PortForwardRequest: "portforward",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that has a place, and is waited for."""

    request: Request
    pod_id: str
    place: Place

    @property
    def purpose(self) -> Purpose:
        return PURPOSES[type(self.request)]


class Sessions:
    """`open` makes one, `ended` is to be called with its link. `close` ends all tasks."""

    def __init__(self, engine: Engine, places: Places) -> None:
        self._engine = engine
        self._places = places
        self._input = Pool(TOTAL_INPUT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pod_watches: dict[Link, asyncio.Task[None]] = {}

    def open(self, agreed: Agreed, asked: Asked, link: Link) -> Session:
        """The session of a client whose request was answered."""
        request = asked.request
        complain = functools.partial(_complain, asked)
        means = Means(self._spawn, self._input, self._places, complain)
        if isinstance(request, api.PortForwardRequest):
            return self._forward(agreed, request, link, means)
        begin: Callable[..., Coroutine[Any, Any, interactive.InteractiveSession]]
        if isinstance(request, api.ExecRequest):
            begin = functools.partial(interactive.exec, self._engine, request)
        else:
            begin = functools.partial(interactive.attach, self._engine, request)
        made = SpdyCommand if agreed.transport == "spdy" else WebSocketCommand
        return made(link, agreed.protocol, interactive.streams_of(request), begin, means)

    def _forward(
        self, agreed: Agreed, asked: api.PortForwardRequest, link: Link, means: Means
    ) -> Session:
        connect = functools.partial(forward.connect, self._engine, asked.pod_sandbox_id)
        session: SpdyForward | WebSocketTunnel | WebSocketChannels
        if agreed.transport == "spdy":
            session = SpdyForward(link, connect, means)
        elif agreed.protocol == PORT_FORWARD_TUNNEL:
            session = WebSocketTunnel(link, connect, means)
        else:
            ports = list(asked.port)
            session = WebSocketChannels(link, agreed.protocol, ports, connect, means)
        watch = self._end_with_pod(asked.pod_sandbox_id, session)
        self._pod_watches[link] = self._spawn(f"forwards of {asked.pod_sandbox_id}", watch)
        return session

    async def _end_with_pod(self, id: str, session: Session) -> None:
        """Our sockets would keep the network namespace of a pod that is gone."""

        def over() -> bool:
            pod = self._engine.objects.find_pod(id)
            return pod is None or not lifecycle.is_ready(pod)

        await self._engine.objects.until(id, over)
        session.end(f"pod {id} was stopped")

    def ended(self, link: Link) -> None:
        """The client of a session has gone. Nothing happens if there was no session."""
        if (watch := self._pod_watches.pop(link, None)) is not None:
            watch.cancel()

    async def close(self) -> None:
        """End what is left of sessions whose clients have gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed: %s", task.get_name(), error, exc_info=error)


def _complain(asked: Asked, what: str) -> None:
    _log.warning("%s session of pod %s: %s", asked.purpose, asked.pod_id, what)
