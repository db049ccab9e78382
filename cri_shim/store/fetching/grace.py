"""Layers of pulls that failed or were given up: kept for a while, so that the next try has them."""

import asyncio
from collections.abc import Callable, Iterable

# The kubelet's longest pause between two tries is 5 minutes; a try may begin with a slow registry.
GRACE_S = 600.0


class Grace:
    def __init__(self, seconds: float, collect: Callable[[], None]) -> None:
        """Keep layers for so many seconds, then call `collect`; 0 keeps none."""
        self._seconds = seconds
        self._collect = collect
        self._timers: dict[str, asyncio.TimerHandle] = {}  # key: diff-id

    @property
    def held(self) -> set[str]:
        """Return the diff-ids that are kept."""
        return set(self._timers)

    def keep(self, diff_ids: Iterable[str]) -> None:
        """Keep these layers from now on, for the whole time."""
        if not self._seconds:
            return
        loop = asyncio.get_running_loop()
        for diff_id in diff_ids:
            self._forget(diff_id)
            self._timers[diff_id] = loop.call_later(self._seconds, self._over, diff_id)

    def release(self, diff_ids: Iterable[str]) -> None:
        """Keep these layers no longer than others: an image has them now."""
        for diff_id in diff_ids:
            self._forget(diff_id)

    def close(self) -> None:
        """Forget all: the next start collects them."""
        self.release(list(self._timers))

    def _over(self, diff_id: str) -> None:
        self._forget(diff_id)
        self._collect()

    def _forget(self, diff_id: str) -> None:
        if (timer := self._timers.pop(diff_id, None)) is not None:
            timer.cancel()
