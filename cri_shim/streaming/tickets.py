"""Tickets: what was asked for by gRPC, remembered until somebody comes for it by HTTP.

A ticket works once and not for long. It is the only secret of the streaming server, so it is long,
random, and says nothing; a wrong one and a used one cannot be told apart. How many wait is bounded
by the places of sessions (places).
"""

import secrets
from collections.abc import Callable
from typing import Generic, TypeVar

TTL_S = 60.0  # from the RPC to the connection
_BYTES = 18  # of randomness: 24 characters that need no quoting in a URL

T = TypeVar("T")


class Tickets(Generic[T]):
    """`clock` gives seconds that only rise; `expired` is told of a request nobody came for."""

    def __init__(self, clock: Callable[[], float], expired: Callable[[T], None]) -> None:
        self._clock = clock
        self._expired = expired
        self._waiting: dict[str, tuple[float, T]] = {}  # oldest first

    def issue(self, request: T) -> str:
        """Remember a request."""
        token = secrets.token_urlsafe(_BYTES)
        self._waiting[token] = self._clock() + TTL_S, request
        return token

    def take(self, token: str) -> T | None:
        """The request of a ticket, which is void from now on; None for all that is no ticket."""
        self.expire()
        _, request = self._waiting.pop(token, (0.0, None))
        return request

    def expire(self) -> None:
        """Forget the requests that nobody came for in time."""
        now = self._clock()
        while self._waiting:
            token = next(iter(self._waiting))
            if self._waiting[token][0] > now:
                return
            _, request = self._waiting.pop(token)
            self._expired(request)
