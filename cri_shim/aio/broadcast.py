"""One publisher, many subscribers, each with its own bounded queue.

`publish` never waits. A subscriber whose queue is full is dropped: it still gets the items in its
queue, and then ResourceExhausted, so that it knows that it has missed items. Others are unaffected.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from cri_shim.errors import ResourceExhausted

T = TypeVar("T")


class Broadcast(Generic[T]):
    def __init__(self, limit: int, weigh: Callable[[T], int] = lambda _item: 1) -> None:
        """`limit`: how far a subscriber may be behind, as `weigh` counts: in items or bytes."""
        self._limit = limit
        self._weigh = weigh
        self._subscriptions: set[Subscription[T]] = set()
        self._closed = False
        self.dropped = 0  # subscribers that were too slow, since the start

    def __len__(self) -> int:
        return len(self._subscriptions)

    def __bool__(self) -> bool:
        """Whether there is a subscriber: without one, items need not be made."""
        return bool(self._subscriptions)

    def behind(self) -> int:
        """Return how far the slowest subscriber is behind, as `weigh` counts."""
        return max((each.behind for each in self._subscriptions), default=0)

    def publish(self, item: T) -> None:
        """Queue `item` for every subscriber."""
        weight = self._weigh(item)
        for subscription in list(self._subscriptions):
            if not subscription.offer(item, weight, self._limit):
                self._subscriptions.discard(subscription)
                self.dropped += 1

    def subscribe(self) -> "Subscription[T]":
        """Subscribe; every later item arrives. Leave with `async with`, or `unsubscribe`."""
        subscription: Subscription[T] = Subscription(self)
        if self._closed:
            subscription.end()
        else:
            self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: "Subscription[T]") -> None:
        self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End every subscription after its queued items; later subscriptions end at once."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end()
        self._subscriptions.clear()


class Subscription(Generic[T]):
    """An async iterator for one reader."""

    def __init__(self, source: Broadcast[T]) -> None:
        self._source = source
        self._queue: deque[tuple[T, int]] = deque()
        self.behind = 0  # the weight of the queued items
        self._wakeup = asyncio.Event()
        self._ended = False
        self._dropped = False

    def offer(self, item: T, weight: int, limit: int) -> bool:
        """Queue `item`; False, forever, once more than `limit` would be queued.

        A single item may be larger than `limit`.
        """
        if self._dropped or (self._queue and self.behind + weight > limit):
            self._dropped = True
            self.end()
            return False
        self._queue.append((item, weight))
        self.behind += weight
        self._wakeup.set()
        return True

    def end(self) -> None:
        self._ended = True
        self._wakeup.set()

    def __aiter__(self) -> "Subscription[T]":
        return self

    async def __anext__(self) -> T:
        """Return the next item; ResourceExhausted if this reader was too slow."""
        while not self._queue:
            if self._dropped:
                raise ResourceExhausted(
                    "this subscriber was too far behind and was dropped, it has missed something:"
                    " list what there is and subscribe again"
                )
            if self._ended:
                raise StopAsyncIteration
            self._wakeup.clear()
            await self._wakeup.wait()
        item, weight = self._queue.popleft()
        self.behind -= weight
        return item

    async def __aenter__(self) -> "Subscription[T]":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._source.unsubscribe(self)
