"""What is seen of running pulls: who asked, and how far each layer is. Pure but for the waiting.

The bytes of a layer never fall, also if it is downloaded again, and end at the manifest's number.
"""

import asyncio
import time
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cri_shim.store.fetching.counters import PullCounters, result_of

WAITING, DOWNLOADING, UNPACKING, DONE = "waiting", "downloading", "unpacking", "done"
SHARED = "shared"  # another pull brings the same layer
RATE_S = 4.0  # the time over which a rate is measured: longer than the pauses of a slow line
_SAMPLE_S = 0.25


@dataclass(slots=True)
class LayerProgress:
    """One layer of a pull."""

    digest: str
    total: int  # bytes, as the manifest says
    done: int = 0
    state: str = WAITING
    attempt: int = 1
    host: str = ""  # the registry or mirror in use
    fetched: bool = False  # a transfer was begun for it

    def received(self, count: int) -> None:
        """Note that so many bytes have come since the (last) start of the transfer."""
        self.done = max(self.done, min(count, self.total))


@dataclass(slots=True)
class PullProgress:
    """One running pull; `key` is that of its equal requests."""

    name: str
    key: Hashable
    news: "Pulls"
    started: float = field(default_factory=time.time)  # seconds since the epoch
    reference: str = ""  # the fully qualified name, as soon as it is known
    host: str = ""
    attempt: int = 1
    trouble: str = ""  # why the last request had to be repeated
    described: int = 0  # bytes of manifest and config
    layers: Sequence[LayerProgress] = ()
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def done(self) -> int:
        """Return the bytes that are here, of `total`."""
        return self.described + sum(layer.done for layer in self.layers)

    @property
    def total(self) -> int:
        """Return the bytes of manifest, config and layers; 0 while they are unknown."""
        return self.described + sum(layer.total for layer in self.layers)

    @property
    def asked_by(self) -> list[str]:
        return self.news.asked_by(self.key)

    def activity(self) -> int:
        """Return a number that changes while bytes come, or layers are unpacked."""
        unpacking = any(layer.state == UNPACKING for layer in self.layers)
        return time.monotonic_ns() if unpacking else self.done

    def waits_for(self) -> str:
        """Return what the layers of this pull wait for."""
        coming = [layer for layer in self.layers if layer.state in (WAITING, DOWNLOADING)]
        if coming:
            return f"bytes of {len(coming)} layers from {self.host or 'the registry'}"
        return "layers to be unpacked"

    def rate(self, now: float | None = None) -> float:
        """Return the bytes a second of the last RATE_S seconds."""
        self._sample(time.monotonic() if now is None else now, force=True)
        (first, before), (last, after) = self._samples[0], self._samples[-1]
        return (after - before) / (last - first) if last - first >= _SAMPLE_S else 0.0

    def changed(self) -> None:
        """Tell those who watch that something is different."""
        self._sample(time.monotonic())
        self.news.changed()

    def _sample(self, now: float, *, force: bool = False) -> None:
        bytes_here = sum(layer.done for layer in self.layers if layer.state != SHARED)
        if not self._samples or force or now - self._samples[-1][0] >= _SAMPLE_S:
            self._samples.append((now, bytes_here))
        while self._samples[0][0] < now - RATE_S and len(self._samples) > 2:
            self._samples.popleft()


class Pulls:
    """The running pulls of the node."""

    def __init__(self) -> None:
        self._running: list[PullProgress] = []
        self.counters = PullCounters()
        self._asked: dict[Hashable, list[str]] = {}
        self._news: asyncio.Future[None] | None = None
        self.changes = 0
        self.closed = False

    def __iter__(self) -> Iterator[PullProgress]:
        return iter(list(self._running))

    @contextmanager
    def asking(self, key: Hashable, who: str) -> Iterator[None]:
        """In the block `who` waits for the pull of this key: NAMESPACE/NAME of a pod, or ""."""
        waiting = self._asked.setdefault(key, [])
        waiting.append(who)
        self.changed()
        try:
            yield
        finally:
            waiting.remove(who)
            if not waiting and self._asked.get(key) is waiting:
                del self._asked[key]
            self.changed()

    def asked_by(self, key: Hashable) -> list[str]:
        return [who for who in self._asked.get(key, ()) if who]

    @contextmanager
    def running(self, name: str, key: Hashable) -> Iterator[PullProgress]:
        """In the block the pull runs, and is seen; its end is counted."""
        pull = PullProgress(name, key, self)
        self._running.append(pull)
        self.changed()
        begun = time.monotonic()
        error: BaseException | None = None
        try:
            yield pull
        except BaseException as e:
            error = e
            raise
        finally:
            self._running.remove(pull)
            self._count(pull, result_of(error), time.monotonic() - begun)
            self.changed()

    def _count(self, pull: PullProgress, result: str, seconds: float) -> None:
        fetched = [layer for layer in pull.layers if layer.fetched]
        here = [layer for layer in pull.layers if not layer.fetched and layer.state == DONE]
        came = pull.described + sum(layer.done for layer in fetched)
        self.counters.ended(result, seconds, bytes=came, fetched=len(fetched), here=len(here))

    def changed(self) -> None:
        """Wake all that wait for news."""
        self.changes += 1
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
        self._news = None

    async def news(self, since: int) -> None:
        """Return when `changes` is not `since`; at once if there will be no more changes."""
        if self.closed or self.changes != since:
            return
        if self._news is None:
            self._news = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._news)

    def close(self) -> None:
        """End all watching: the daemon stops."""
        self.closed = True
        self.changed()
