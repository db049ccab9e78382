"""The disk usage of each container's writable layer, without a walk of the tree for every request.

A new layer is nearly empty, so the first request walks it and gives up after a few hundred files.
Later one walker in the background renews old results on request, one layer at a time. A layer that
takes long is walked less often, so that the walker needs only a small part of a CPU.

The whole directory of a container counts: overlayfs keeps further files beside the layer.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.linux import disk
from cri_shim.linux.disk import Usage

FIRST_WALK_FILES = 500  # a few milliseconds
RENEW_S = 10.0  # a younger result is not renewed
TOTAL_S = 2.0  # limit for the first measurement after a start; the sum is then returned without it
_REST_FACTOR = 50.0  # a layer rests this many times as long as its last walk took

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    usage: Usage
    at: int  # nanoseconds since the epoch
    fresh_until: float  # monotonic seconds


class WritableLayers:
    def __init__(self, directory: Callable[[str], Path]) -> None:
        """`directory` returns the directory of a container."""
        self._directory = directory
        self._ids: set[str] = set()
        self._known: dict[str, Measured] = {}
        self._wanted: dict[str, None] = {}  # in the order of requests
        self._walker: asyncio.Task[None] | None = None

    def add(self, id: str) -> None:
        """Add a container's layer; idempotent."""
        self._ids.add(id)

    def of(self, id: str) -> Measured | None:
        """Return the last measurement; None until a large layer is walked for the first time."""
        known = self._known.get(id)
        if known is None and id not in self._wanted:
            known = self._first(id)
        self._renew_if_old(id)
        return known

    async def total(self) -> Usage:
        """Return the sum of all layers; wait at most TOTAL_S for layers without a measurement."""
        for id in self._ids:
            self._renew_if_old(id)
        if self._walker is not None and self._ids - self._known.keys():
            await asyncio.wait([self._walker], timeout=TOTAL_S)
        found = Usage(0, 0)
        for id in self._ids & self._known.keys():
            found += self._known[id].usage
        return found

    def forget(self, id: str) -> None:
        self._ids.discard(id)
        self._known.pop(id, None)
        self._wanted.pop(id, None)

    async def walked(self) -> None:
        """Return when no requested measurement is old."""
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
            found = disk.usage_unless(self._directory(id), lambda names: names >= few)
        except OSError:
            return None  # the walker meets it again, and logs it
        return None if found is None else self._keep(id, found, begin)

    def _keep(self, id: str, found: Usage, begin: float) -> Measured:
        now = time.monotonic()
        rest = max(RENEW_S, (now - begin) * _REST_FACTOR)
        before = self._known.get(id)
        if found.unseen and not (before and before.usage.unseen):
            _log.warning(
                "container %s: %d places in its writable layer could not be looked into, it takes"
                " more of the disk than is told", id, found.unseen,
            )  # fmt: skip
        self._known[id] = measured = Measured(found, time.time_ns(), now + rest)
        return measured

    def _renew_if_old(self, id: str) -> None:
        known = self._known.get(id)
        if known is not None and known.fresh_until >= time.monotonic():
            return
        self._wanted[id] = None
        if self._walker is None or self._walker.done():
            self._walker = asyncio.create_task(self._walk(), name="measure writable layers")

    async def _walk(self) -> None:
        while self._wanted:
            id = next(iter(self._wanted))
            begin = time.monotonic()
            try:
                found = await offload(disk.usage_unless, self._directory(id), self._unwanted(id))
            except OSError as e:
                _log.warning("the writable layer of container %s cannot be measured: %s", id, e)
                self._wanted.pop(id, None)
                continue
            if found is not None and id in self._wanted:
                del self._wanted[id]
                self._keep(id, found, begin)

    def _unwanted(self, id: str) -> Callable[[int], bool]:
        """Return a function that ends a walk if the layer is forgotten or the walker is closed."""
        return lambda _names: id not in self._wanted
