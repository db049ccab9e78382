"""The running pulls, for those who watch them, and for the verbose status."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any

from cri_shim.engine import Engine
from cri_shim.store.fetching.progress import PullProgress

PACE_S = 0.2  # between two answers: as fast as an eye follows
REFRESH_S = 1.0  # while nothing comes: the rate falls


async def watch(engine: Engine) -> AsyncGenerator[Sequence[PullProgress], None]:
    """Yield the running pulls, now and after each change, until the daemon stops."""
    pulls = engine.images.pulls
    while True:
        seen = pulls.changes
        yield list(pulls)
        await asyncio.sleep(PACE_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(REFRESH_S if list(pulls) else None):
                await pulls.news(seen)
        if pulls.closed:
            return


def facts(engine: Engine) -> list[dict[str, Any]]:
    """Return the running pulls for the verbose status, JSON-able."""
    return [
        {
            "image": pull.name,
            "reference": pull.reference,
            "askedBy": pull.asked_by,
            "host": pull.host,
            "done": pull.done,
            "total": pull.total,
            "rate": round(pull.rate()),
            "trouble": pull.trouble,
            "layers": [
                {"digest": layer.digest, "state": layer.state, "done": layer.done,
                 "total": layer.total, "attempt": layer.attempt, "host": layer.host}
                for layer in pull.layers
            ],
        }
        for pull in engine.images.pulls
    ]  # fmt: skip
