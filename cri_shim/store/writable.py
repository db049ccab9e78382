"""How much each container wrote to its own layer, without walking trees at every question.

A new layer is nearly empty, so the first answer is a walk that gives up after a few hundred files.
From then on one walker in the background renews what was asked for and is old, one layer at a time;
a layer that takes long to walk is walked more rarely, so that all this costs a small part of a CPU.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.store import usage

FIRST_WALK_FILES = 500  # about a millisecond
RENEW_S = 10.0  # what is younger is told as it is
_REST_FACTOR = 50.0  # a layer rests this many times as long as its last walk took

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    usage: usage.Usage
    at: int  # nanoseconds since the epoch
    fresh_until: float  # monotonic seconds


class WritableLayers:
    def __init__(self, upper: Callable[[str], Path]) -> None:
        """`upper`: where a container's writable layer is."""
        self._upper = upper
        self._known: dict[str, Measured] = {}
        self._wanted: dict[str, None] = {}  # in the order of asking
        self._walker: asyncio.Task[None] | None = None

    def of(self, id: str) -> Measured | None:
        """What was measured last; None until a large layer has been walked for the first time."""
        known = self._known.get(id)
        if known is None and id not in self._wanted:
            known = self._first(id)
        if known is None or known.fresh_until < time.monotonic():
            self._renew(id)
        return known

    def forget(self, id: str) -> None:
        self._known.pop(id, None)
        self._wanted.pop(id, None)

    async def walked(self) -> None:
        """Return when nothing that was asked for is old."""
        if self._walker is not None:
            await asyncio.gather(self._walker, return_exceptions=True)

    async def close(self) -> None:
        """End the walker."""
        self._wanted.clear()
        await self.walked()

    def _first(self, id: str) -> Measured | None:
        begin = time.monotonic()
        few = FIRST_WALK_FILES
        try:
            found = usage.of_tree_unless(self._upper(id), lambda inodes: inodes >= few)
        except OSError:
            return None  # the walker meets it again, and tells
        return None if found is None else self._keep(id, found, begin)

    def _keep(self, id: str, found: usage.Usage, begin: float) -> Measured:
        now = time.monotonic()
        rest = max(RENEW_S, (now - begin) * _REST_FACTOR)
        self._known[id] = measured = Measured(found, time.time_ns(), now + rest)
        return measured

    def _renew(self, id: str) -> None:
        self._wanted[id] = None
        if self._walker is None or self._walker.done():
            self._walker = asyncio.create_task(self._walk(), name="measure writable layers")

    async def _walk(self) -> None:
        while self._wanted:
            id = next(iter(self._wanted))
            begin = time.monotonic()
            try:
                found = await offload(usage.of_tree_unless, self._upper(id), self._unwanted(id))
            except OSError as e:
                _log.warning("the writable layer of container %s cannot be measured: %s", id, e)
                self._wanted.pop(id, None)
                continue
            if found is not None and id in self._wanted:
                del self._wanted[id]
                self._keep(id, found, begin)

    def _unwanted(self, id: str) -> Callable[[int], bool]:
        """Ends a walk when the layer is forgotten, or all of this is closed."""
        return lambda _inodes: id not in self._wanted
