"""One plugin: how it is called, and what happens if it does not answer.

A plugin that answers with an error fails the request. One that does not answer in time, or whose
connection breaks, is disconnected, and the request continues without it; its failure policy may say
otherwise.
"""

import asyncio
import logging
from typing import Any, TypeVar

from google.protobuf.message import Message

from cri_shim.aio.child import Child
from cri_shim.errors import CriShimError, ToolFailed
from cri_shim.nri import names
from cri_shim.nri.link import Link, LinkEnded, Refused
from cri_shim.pb import nri_pb2 as pb
from cri_shim.wire.ttrpc.client import TooLarge

_UNIMPLEMENTED = 12  # a code of gRPC
END_S = 2.0  # for a program to end after its connection has ended, before it is killed

AnyAnswer = TypeVar("AnyAnswer", bound=Message)

_log = logging.getLogger(__name__)


class Plugin:
    """A plugin that has registered; `child` is its process if the daemon started it."""

    def __init__(
        self, index: str, name: str, link: Link, limit: float, child: Child | None
    ) -> None:
        """`limit`: seconds for each call."""
        self.index, self.name = index, name
        self.events = names.ALL_EVENTS
        self.policy = pb.FailurePolicy()
        self.link = link
        self._limit = limit
        self._child = child
        self._old: set[str] = set()  # calls in whose place it gets StateChange

    def __str__(self) -> str:
        """As in `10-logger`: plugins are called in the order of these names."""
        return f"{self.index}-{self.name}"

    @property
    def gone(self) -> bool:
        """Whether it cannot be called any more."""
        return self.link.ended.is_set()

    def facts(self) -> dict[str, Any]:
        """Return its name and its subscription, JSON-able."""
        return {
            "name": str(self),
            "startedByDaemon": self._child is not None,
            "events": [method for method in names.METHODS if self.gets(method)],
        }

    def gets(self, method: str) -> bool:
        """Whether it gets the event of a call now."""
        return not self.gone and names.subscribes(self.events, method)

    async def event(self, method: str, request: Message, answer: AnyAnswer) -> AnyAnswer | None:
        """Call it with an event; return its answer, None if the request continues without it.

        ToolFailed if it refuses, or if it fails and its policy is to fail the request.
        """
        try:
            if method in self._old:
                await self._state_change(method, request)
            else:
                await self._call(method, request, answer)
        except Refused as e:
            raise ToolFailed(f"NRI plugin {self} refuses {method}: {e}") from e
        except (TimeoutError, CriShimError, TooLarge) as e:
            await self.failed(method, e)
            return None
        return answer

    async def failed(self, method: str, error: Exception) -> None:
        """Do what its policy says about a call that it did not answer."""
        timed_out = isinstance(error, TimeoutError)
        problem = f"did not answer within {self._limit:g} s" if timed_out else str(error)
        keep = isinstance(error, TooLarge) or (timed_out and self.policy.keep_connected)
        after = "it stays connected" if keep else "it is disconnected"
        _log.error("NRI plugin %s failed at %s, %s: %s", self, method, after, problem)
        if not keep:
            await self.link.close()  # the end of its process is not waited for here
        if self.policy.fail_request:
            raise ToolFailed(f"NRI plugin {self} failed at {method}: {problem}") from error

    async def call(
        self, method: str, request: Message, answer: AnyAnswer, limit: float | None = None
    ) -> AnyAnswer:
        """Call it outside of an event; the errors are those of Link.call.

        `limit` in seconds; None: that of events.
        """
        await self.link.call(method, request, answer, limit or self._limit)
        return answer

    async def close(self) -> None:
        """Disconnect it, and end its process if the daemon started it.

        The process has END_S to end by itself, which published plugins do.
        """
        await self.link.close()
        if self._child is None:
            return
        try:
            async with asyncio.timeout(END_S):
                await self._child.wait()
        except TimeoutError:
            _log.warning("the process of NRI plugin %s is killed", self)
        finally:
            await self._child.end()

    async def _call(self, method: str, request: Message, answer: AnyAnswer) -> None:
        try:
            await self.link.call(method, request, answer, self._limit)
        except Refused as e:
            if e.code != _UNIMPLEMENTED or method not in names.BY_STATE_CHANGE:
                raise
            self._old.add(method)
            _log.warning("NRI plugin %s has no %s: it gets StateChange from now on", self, method)
            await self._state_change(method, request)

    async def _state_change(self, method: str, request: Message) -> None:
        event = pb.StateChangeEvent(event=names.METHODS[method])
        event.pod.CopyFrom(request.pod)  # type: ignore[attr-defined]
        if "container" in request.DESCRIPTOR.fields_by_name:
            event.container.CopyFrom(request.container)  # type: ignore[attr-defined]
        await self.link.call("StateChange", event, pb.Empty(), self._limit)


__all__ = ["LinkEnded", "Plugin", "Refused"]
