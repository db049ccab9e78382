"""Takes ended operations, writes them a moment later in a thread, and reads them again."""

import asyncio
import heapq
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cri_shim.activity import Operation
from cri_shim.aio.offload import offload
from cri_shim.aio.tasks import Tasks
from cri_shim.timeline import recording
from cri_shim.timeline.entry import START, VERBS, Entry, latest, pod_name
from cri_shim.timeline.files import Files
from cri_shim.timeline.first_lines import FirstLines, Look
from cri_shim.untrusted import reason

FLUSH_S = 2.0  # between writes: the operations of a pod's start are mostly one write
OPEN_S = 3.0  # an operation that lasts as long is written while it is open; then after twice that
MOST_WAITING = 2_000  # ended operations that are not written; more are dropped

_log = logging.getLogger(__name__)

Waiting = tuple[tuple[str, ...], Operation | Entry]  # ids of the pods, and what has ended


class Timelines:
    def __init__(
        self, directory: Path, pod_named: Callable[[str], str | None], first_line: Look
    ) -> None:
        """`pod_named` returns the id of the pod of NAMESPACE/NAME; it asked for an image.

        `first_line` returns the entry of a container's first line of output, if there is one.
        """
        self._files = Files(directory)
        self._pod_named = pod_named
        self._first_lines = FirstLines(first_line, lambda pod, entry: self._add((pod,), entry))
        self._waiting: list[Waiting] = []
        self._due: dict[Operation, float] = {}  # its age when it is written again, in seconds
        self._timer: asyncio.TimerHandle | None = None
        self._using = asyncio.Lock()
        self._tasks = Tasks()
        self._problem = ""

    def note(self, operation: Operation) -> None:
        """Take an operation that has just ended, or lasts long."""
        if operation.open:
            self._note_open(operation)
            return
        self._due.pop(operation, None)
        pods = self.pods_of(operation)
        if not pods or len(self._waiting) >= MOST_WAITING:
            operation.done.clear()
            return
        self._add(pods, operation)
        if operation.verb == START and not operation.failure:
            self._first_lines.started(pods[0], operation.subject.id)

    def _note_open(self, operation: Operation) -> None:
        """Take what is known now: the daemon may be killed before the end."""
        now = time.monotonic()
        age = now - operation.root.began
        if age < self._due.get(operation, OPEN_S) or len(self._waiting) >= MOST_WAITING:
            return
        self._due[operation] = 2 * age
        if pods := self.pods_of(operation):
            self._add(pods, recording.entry(operation, now))

    def _add(self, pods: tuple[str, ...], ended: Operation | Entry) -> None:
        self._waiting.append((pods, ended))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._write_soon)

    def pods_of(self, operation: Operation) -> tuple[str, ...]:
        """Return the ids of the pods in whose timelines the operation is, open or not."""
        if operation.verb not in VERBS:
            return ()
        if operation.subject.pod_id:
            return (operation.subject.pod_id,)
        return tuple(filter(None, map(self._pod_named, operation.asked_by)))

    async def of(self, pod_id: str) -> list[Entry]:
        """Return the entries of a pod, in the order of their ends."""
        await self.flush()
        async with self._using:
            return await offload(lambda: latest(self._files.entries(pod_id)))

    async def names(self) -> dict[str, str]:
        """Return id and NAMESPACE/NAME of every pod with a timeline, the last changed first."""
        await self.flush()
        async with self._using:
            return await offload(self._names)

    async def slowest(
        self, seconds: Callable[[Sequence[Entry]], float], most: int
    ) -> dict[str, list[Entry]]:
        """Return the entries of the `most` pods with the most `seconds`, by id, the slowest first.

        `seconds` is called in a thread.
        """
        await self.flush()
        async with self._using:
            return await offload(self._slowest, seconds, most)

    async def flush(self) -> None:
        """Write what waits. A problem is logged, and its entries are lost."""
        async with self._using:
            ended, self._waiting = self._waiting, []
            if ended:
                await offload(self._write, ended)

    async def close(self) -> None:
        await self._first_lines.close()
        if self._timer is not None:
            self._timer.cancel()
        await self._tasks.drain()
        await self.flush()

    def _write_soon(self) -> None:
        self._timer = None
        self._tasks.spawn("write timelines", self.flush())

    def _write(self, ended: Sequence[Waiting]) -> None:
        now, of = time.monotonic(), dict[str, list[Entry]]()
        for pods, one in ended:
            if isinstance(one, Operation):
                entry = recording.entry(one, now)
                one.done.clear()  # steps and operations are a cycle
            else:
                entry = one
            for pod in pods:
                of.setdefault(pod, []).append(entry)
        problem = ""
        for pod, entries in of.items():
            try:
                self._files.append(pod, entries)
            except OSError as e:
                problem = reason(e)
        if problem and problem != self._problem:
            _log.warning("timelines in %s cannot be written: %s", self._files.directory, problem)
        self._problem = problem

    def _names(self) -> dict[str, str]:
        found = ((id, pod_name(self._files.entries(id))) for id in self._ids())
        return {id: name for id, name in found if name}

    def _slowest(
        self, seconds: Callable[[Sequence[Entry]], float], most: int
    ) -> dict[str, list[Entry]]:
        took = ((id, seconds(latest(self._files.entries(id)))) for id in self._ids())
        slowest = heapq.nlargest(most, (pair for pair in took if pair[1]), key=lambda pair: pair[1])
        return {id: latest(self._files.entries(id)) for id, _ in slowest}

    def _ids(self) -> list[str]:
        try:
            return self._files.ids()
        except OSError as e:
            _log.warning("timelines in %s: %s", self._files.directory, reason(e))
            return []
