"""Tickets: the request of an RPC is kept until its client connects by HTTP.

A ticket works once, for TTL_S. It is the only secret of the streaming server, so it is long, random
and without information; a wrong ticket and a used one get the same answer. The slots of sessions
(slots) limit the number of tickets.
"""

import secrets
from collections.abc import Callable
from typing import Generic, TypeVar

TTL_S = 60.0  # seconds from the RPC to the connection
_BYTES = 18  # random bytes: 24 characters that need no quoting in a URL

T = TypeVar("T")


class Tickets(Generic[T]):
    """`clock` returns monotonic seconds; `expired` is called with each request that expires."""

    def __init__(self, clock: Callable[[], float], expired: Callable[[T], None]) -> None:
        self._clock = clock
        self._expired = expired
        self._waiting: dict[str, tuple[float, T]] = {}  # oldest first

    def issue(self, request: T) -> str:
        """Keep a request; return its ticket."""
        token = secrets.token_urlsafe(_BYTES)
        self._waiting[token] = self._clock() + TTL_S, request
        return token

    def take(self, token: str) -> T | None:
        """Return the request of a ticket and void the ticket; None if the ticket is not valid."""
        self.expire()
        _, request = self._waiting.pop(token, (0.0, None))
        return request

    def expire(self) -> None:
        """Drop the requests whose client did not connect in time."""
        now = self._clock()
        while self._waiting:
            token = next(iter(self._waiting))
            if self._waiting[token][0] > now:
                return
            _, request = self._waiting.pop(token)
            self._expired(request)
