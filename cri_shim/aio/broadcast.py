"""One publisher, many subscribers, each with a bounded queue of its own.

`publish` never waits. A subscriber whose queue is full is dropped: it still gets what is queued for
it, and then ResourceExhausted, so that it knows it has missed something. The others notice nothing.
"""

import asyncio
from collections import deque
from typing import Generic, TypeVar

from cri_shim.errors import ResourceExhausted

T = TypeVar("T")


class Broadcast(Generic[T]):
    def __init__(self, limit: int) -> None:
        """`limit`: how many items a subscriber may be behind."""
        self._limit = limit
        self._subscriptions: set[Subscription[T]] = set()
        self._closed = False

    def __bool__(self) -> bool:
        """Whether anybody listens: what nobody hears need not be made."""
        return bool(self._subscriptions)

    def publish(self, item: T) -> None:
        """Queue `item` for every subscriber."""
        for subscription in list(self._subscriptions):
            if not subscription.offer(item, self._limit):
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
        self._queue: deque[T] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._behind = 0  # more than this many were not read in time; 0: not dropped

    def offer(self, item: T, limit: int) -> bool:
        """Queue `item`; False, and never again true, if `limit` are queued already."""
        if len(self._queue) >= limit:
            self._behind = limit
            self.end()
            return False
        self._queue.append(item)
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
            if self._behind:
                raise ResourceExhausted(
                    f"this subscriber was more than {self._behind} events behind and was dropped;"
                    " list what there is and subscribe again"
                )
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._queue.popleft()

    async def __aenter__(self) -> "Subscription[T]":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._source.unsubscribe(self)
