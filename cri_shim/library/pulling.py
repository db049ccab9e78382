"""Pulls an image, and tells a function of the caller how far it is."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cri_shim.engine import Engine
from cri_shim.images import pull as image_pull
from cri_shim.library.auth import Auth
from cri_shim.store.fetching.progress import PullProgress

PACE_S = 0.1  # at least, between two calls of the function


@dataclass(frozen=True, slots=True)
class LayerProgress:
    """One layer of an image that is pulled."""

    digest: str
    state: str  # waiting, downloading, unpacking, done, or shared with another pull
    done: int  # bytes, of `total`
    total: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A running pull at one moment."""

    image: str  # the name as it was asked for
    reference: str  # the full name; "" before it is known
    host: str  # the registry or mirror; "" before it is known
    done: int  # bytes, of `total`
    total: int  # bytes of manifest, config and layers; 0 before they are known
    rate: float  # bytes a second
    trouble: str  # why the last request had to be repeated, and when; ""
    layers: Sequence[LayerProgress]


async def pull(
    engine: Engine, name: str, auth: Auth | None, progress: Callable[[Progress], None] | None
) -> str:
    """Return the id of the image; an error of `progress` ends the call with that error."""
    pulling = asyncio.ensure_future(image_pull.pull(engine, name, auth.to_cri() if auth else None))
    try:
        if progress is not None:
            await _follow(engine, name, pulling, progress)
        return await pulling
    finally:
        pulling.cancel()
        await asyncio.gather(pulling, return_exceptions=True)


async def _follow(
    engine: Engine, name: str, pulling: "asyncio.Future[str]", tell: Callable[[Progress], None]
) -> None:
    pulls = engine.images.pulls
    while not pulling.done():
        seen = pulls.changes
        for running in pulls:
            if running.name == name:
                tell(_progress(running))
                break
        news: asyncio.Future[Any] = asyncio.ensure_future(pulls.news(seen))
        waited: set[asyncio.Future[Any]] = {pulling, news}
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
        await asyncio.wait({pulling}, timeout=PACE_S)


def _progress(running: PullProgress) -> Progress:
    layers = [
        LayerProgress(layer.digest, layer.state, layer.done, layer.total)
        for layer in running.layers
    ]
    return Progress(
        running.name, running.reference, running.host, running.done, running.total,
        running.rate(), running.trouble, layers,
    )  # fmt: skip
