"""Running work: the work that runs now, the work that is retried, and the end of both at shutdown.

Equal requests join one piece of work. Its key is the name or id of its object: see
aio.singleflight and aio.resumable.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from cri_shim.activity import Operation, Operations
from cri_shim.aio.resumable import Resumable
from cri_shim.aio.retry import Retrier
from cri_shim.aio.singleflight import SingleFlight
from cri_shim.aio.tasks import Tasks
from cri_shim.objects import ContainerName, PodName
from cri_shim.pb import api_pb2 as api

RUN_POD = "RunPodSandbox"  # the verb of an operation, as the CRI has it

# A request, and the ids of the containers that the new one depends on.
CreateRequest: TypeAlias = tuple[api.CreateContainerRequest, tuple[str, ...]]


@dataclass(slots=True)
class Stopping:
    """A stop in progress: when SIGKILL is due (loop time), and the task that sends it."""

    deadline: float
    moved: asyncio.Event  # `deadline` is sooner now
    task: asyncio.Task[None]
    operation: Operation
    killed: bool = False  # SIGKILL was sent


@dataclass(frozen=True, slots=True)
class PullKey:
    """The key of a pull: equal keys are one pull. Task names show it, so it shows no secret."""

    name: str
    auth: bytes = field(repr=False)
    policy: str = ""  # the file of the signature policy


@dataclass(slots=True)
class ExecSyncs:
    """Commands by ExecSync, with which the kubelet probes containers: they are no sessions."""

    running: int = 0
    begun: int = 0  # since the start

    @contextmanager
    def counted(self) -> Iterator[None]:
        self.running += 1
        self.begun += 1
        try:
            yield
        finally:
            self.running -= 1


class Work:
    """The running work of the verbs in pods/, containers/ and images/."""

    def __init__(self) -> None:
        self.operations = operations = Operations()
        self.runs = Resumable[PodName, api.RunPodSandboxRequest, str](RUN_POD, operations)
        self.pod_stops = SingleFlight[str, None]("StopPodSandbox", operations)
        self.pod_removals = SingleFlight[str, None]("RemovePodSandbox", operations)
        self.creates = Resumable[ContainerName, CreateRequest, str]("CreateContainer", operations)
        self.starts = SingleFlight[str, None]("StartContainer", operations)
        self.removals = SingleFlight[str, None]("RemoveContainer", operations)
        self.pulls = SingleFlight[PullKey, str]("PullImage", operations, needs_waiters=True)
        self.exec_syncs = ExecSyncs()
        self.stopping: dict[str, Stopping] = {}  # by the id of the container
        self.retrier = Retrier(operations)
        self.pods_may_run = asyncio.Event()  # not set while images are loaded at the start
        self.pods_may_run.set()
        self.preload: asyncio.Task[None] | None = None
        self.leftovers: dict[str, int] = {}  # that the last look at the node found, by class
        self._background = Tasks()
        self.spawn = self._background.spawn

    def in_background(self) -> int:
        """Return the number of tasks in the background."""
        return len(self._background)

    async def drain(self, timeout: float) -> None:
        """Give running work `timeout` seconds, then roll it back.

        Stops in progress and the loading of images are cancelled first, pulls last; none of them
        gets any time.
        """
        if self.preload is not None:
            self.preload.cancel()
        for stopping in self.stopping.values():
            stopping.task.cancel()
        flights = (self.runs, self.creates, self.starts, self.removals)
        await asyncio.gather(
            *(flight.drain(timeout) for flight in flights),
            *(flight.drain(timeout) for flight in (self.pod_stops, self.pod_removals)),
        )
        await self._background.drain(timeout)
        await self.retrier.stop()
        await self.pulls.drain(0)
        self.operations.close()
