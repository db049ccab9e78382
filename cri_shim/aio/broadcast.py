"""One publisher, many subscribers, each with a bounded queue of its own.

`publish` never waits. A subscriber whose queue is full is dropped: it still gets what is queued for
it, and then ResourceExhausted, so that it knows it has missed something. The others notice nothing.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from cri_shim.errors import ResourceExhausted

T = TypeVar("T")


class Broadcast(Generic[T]):
    def __init__(self, limit: int, weigh: Callable[[T], int] = lambda _item: 1) -> None:
        """`limit`: how much a subscriber may be behind, as `weigh` tells: items, or their bytes."""
        self._limit = limit
        self._weigh = weigh
        self._subscriptions: set[Subscription[T]] = set()
        self._closed = False

    def __bool__(self) -> bool:
        """Whether anybody listens: what nobody hears need not be made."""
        return bool(self._subscriptions)

    def publish(self, item: T) -> None:
        """Queue `item` for every subscriber."""
        weight = self._weigh(item)
        for subscription in list(self._subscriptions):
            if not subscription.offer(item, weight, self._limit):
                self._subscriptions.discard(subscription)

    def subscribe(self) -> "Subscription[T]":
        """From here on nothing is missed. Leave it by `async with`, or `unsubscribe`."""
        subscription: Subscription[T] = Subscription(self)
        if self._closed:
            subscription.end()
        else:
            self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: "Subscription[T]") -> None:
        self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End every subscription after what is queued for it; later ones end at once."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end()
        self._subscriptions.clear()


class Subscription(Generic[T]):
    """An async iterator for one reader."""

    def __init__(self, source: Broadcast[T]) -> None:
        self._source = source
        self._queue: deque[tuple[T, int]] = deque()
        self._weight = 0  # of what is queued
        self._news = asyncio.Event()
        self._ended = False
        self._dropped = False

    def offer(self, item: T, weight: int, limit: int) -> bool:
        """Queue `item`; False, and never again true, if more than `limit` would be queued.

        One item alone is never too much.
        """
        if self._dropped or (self._queue and self._weight + weight > limit):
            self._dropped = True
            self.end()
            return False
        self._queue.append((item, weight))
        self._weight += weight
        self._news.set()
        return True

    def end(self) -> None:
        self._ended = True
        self._news.set()

    def __aiter__(self) -> "Subscription[T]":
        return self

    async def __anext__(self) -> T:
        """The next item; ResourceExhausted for one who was too slow."""
        while not self._queue:
            if self._dropped:
                raise ResourceExhausted(
                    "this subscriber was too far behind and was dropped, it has missed something:"
                    " list what there is and subscribe again"
                )
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        item, weight = self._queue.popleft()
        self._weight -= weight
        return item

    async def __aenter__(self) -> "Subscription[T]":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._source.unsubscribe(self)
