"""Work in hand: what runs now, what is tried again, and how all of it ends when we close.

Equal requests join one piece of work, keyed by the name or id it is about: see aio.singleflight
and aio.resumable.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cri_shim.aio.resumable import Resumable
from cri_shim.aio.retry import Retrier
from cri_shim.aio.singleflight import SingleFlight
from cri_shim.objects import ContainerName, PodName
from cri_shim.pb import api_pb2 as api

# A request, and the ids of the containers that the new one depends on.
CreateRequest: TypeAlias = tuple[api.CreateContainerRequest, tuple[str, ...]]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Stopping:
    """A stop in progress: when SIGKILL is due (loop time), and the task that sees to it."""

    deadline: float
    sooner: asyncio.Event
    task: asyncio.Task[None]
    killed: bool = False  # SIGKILL was sent


@dataclass(frozen=True, slots=True)
class PullKey:
    """What makes two pulls the same. Task names show it, so it shows no secret."""

    name: str
    auth: bytes = field(repr=False)


class Work:
    """What the verbs of pods/, containers/ and images/ have in hand."""

    def __init__(self) -> None:
        self.runs = Resumable[PodName, api.RunPodSandboxRequest, str]("run pod")
        self.pod_stops = SingleFlight[str, None]("stop pod")
        self.pod_removals = SingleFlight[str, None]("remove pod")
        self.creates = Resumable[ContainerName, CreateRequest, str]("create container")
        self.starts = SingleFlight[str, None]("start container")
        self.removals = SingleFlight[str, None]("remove container")
        self.pulls = SingleFlight[PullKey, str]("pull", needs_waiters=True)
        self.stopping: dict[str, Stopping] = {}  # by the id of the container
        self.retrier = Retrier()
        self._background: set[asyncio.Task[None]] = set()

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` as a task of the daemon; its error is logged here, where it ends."""
        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed: %s", task.get_name(), error, exc_info=error)

    async def drain(self, timeout: float) -> None:
        """Give work in hand `timeout` seconds, then roll it back.

        Stops in progress are dropped, and pulls are given no time.
        """
        for stopping in self.stopping.values():
            stopping.task.cancel()
        flights = (self.runs, self.creates, self.starts, self.removals)
        await asyncio.gather(
            *(flight.drain(timeout) for flight in flights),
            *(flight.drain(timeout) for flight in (self.pod_stops, self.pod_removals)),
        )
        if self._background:
            _, late = await asyncio.wait(self._background, timeout=timeout)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self.retrier.stop()
        await self.pulls.drain(0)
