"""The comparison of a running daemon: two looks, so that work in hand is no difference; and repair.

One comparison runs at a time. A look runs in a thread; the rules of host ports come from programs.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cri_shim.aio.offload import offload
from cri_shim.aio.singleflight import SingleFlight
from cri_shim.comparison import changes, place, ports, repair, snapshot
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.look import Look, Rules, look
from cri_shim.config import Config
from cri_shim.engine import Engine

CONFIRM_S = 1.0  # between the two looks: what an operation leaves for a moment is gone then


@dataclass(frozen=True, slots=True)
class Comparison:
    """`results` has, by identity, what became of the differences that were to be repaired."""

    look: Look
    results: dict[tuple[str, ...], str]

    @property
    def left(self) -> list[Difference]:
        """The differences that are still there."""
        return [
            difference
            for difference in self.look.differences
            if self.results.get(difference.identity) != repair.REPAIRED
        ]

    def facts(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {
            "seconds": round(self.look.seconds, 3),
            "problems": list(self.look.problems),
            "differences": [
                difference.facts() | {"result": self.results.get(difference.identity, "")}
                for difference in self.look.differences
            ],
        }


class Comparisons:
    """Compares the records of an open runtime with the node."""

    def __init__(self, engine: Engine, config: Config) -> None:
        self._engine, self._config = engine, config
        self._began = time.time()
        self._alone = asyncio.Lock()
        self._running = SingleFlight[bool, Comparison]("comparison")

    async def compare(self, *, repair: bool = False) -> Comparison:
        """Return the differences; with `repair`, after each was repaired where that is safe.

        A caller joins an equal comparison that runs: many callers take no more of the CPU than one.
        """
        return await self._running.do(repair, lambda: self._compare(repair))

    async def close(self) -> None:
        """End the comparison that runs; the next one finds what its repair has left."""
        await self._running.drain(0)

    async def _compare(self, repair: bool) -> Comparison:
        async with self._alone:
            found = await self._confirmed()
            results: dict[tuple[str, ...], str] = {}
            if repair:
                results = await self._repaired(found.differences)
            comparison = Comparison(found, results)
            self._engine.work.leftovers = _counted(comparison.left)
            return comparison

    async def _repaired(self, differences: Sequence[Difference]) -> dict[tuple[str, ...], str]:
        results = {d.identity: await repair.repair(self._engine, d) for d in differences}
        if not any(result == repair.REPAIRED for result in results.values()):
            return results
        left = {d.identity for d in (await self._confirmed()).differences}
        for identity, result in results.items():
            if result == repair.REPAIRED and identity in left:
                results[identity] = "it is still there"
        return results

    async def _confirmed(self) -> Look:
        """Return the differences that two looks have found."""
        first = await self._look()
        if not first.differences:
            return first
        await asyncio.sleep(CONFIRM_S)
        second = await self._look()
        both = changes.common(first.differences, second.differences)
        return Look(tuple(both), second.problems, first.seconds + second.seconds)

    async def _look(self) -> Look:
        engine = self._engine
        lines = () if engine.host.rootless else tuple(await ports.rules())
        rules = Rules(lines, tuple(engine.network.subnets()))
        before = snapshot.take(engine, self._began)
        with snapshot.changes(engine) as changed:
            where = await offload(place.read, self._config, engine.paths, engine.cgroups)
            found = await offload(look, where, before, rules)
            after = snapshot.take(engine, self._began)
            steady = tuple(changes.steady(found.differences, before, after, changed))
        return Look(steady, found.problems, found.seconds)


def _counted(differences: Sequence[Difference]) -> dict[str, int]:
    return dict(Counter(d.kind for d in differences if d.sort is Sort.LEFTOVER))
