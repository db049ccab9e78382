"""Tickets: what was asked for by gRPC, remembered until somebody comes for it by HTTP.

A ticket works once and not for long. It is the only secret of the streaming server, so it is long,
random, and says nothing; a wrong one and a used one cannot be told apart.
"""

import secrets
from collections.abc import Callable
from typing import Generic, TypeVar

from cri_shim.errors import ResourceExhausted

TTL_S = 60.0  # from the RPC to the connection
LIMIT = 1000  # that wait at once; a caller that asks and never comes must not fill our memory
_BYTES = 18  # of randomness: 24 characters that need no quoting in a URL

T = TypeVar("T")


class Tickets(Generic[T]):
    """`clock` gives seconds that only rise."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting: dict[str, tuple[float, T]] = {}  # oldest first

    def issue(self, request: T) -> str:
        """Remember a request; ResourceExhausted if LIMIT are waiting."""
        self._expire()
        if len(self._waiting) >= LIMIT:
            raise ResourceExhausted(
                f"{LIMIT} streaming requests wait for their connections already;"
                f" each is given up after {TTL_S:g} s"
            )
        token = secrets.token_urlsafe(_BYTES)
        self._waiting[token] = self._clock() + TTL_S, request
        return token

    def take(self, token: str) -> T | None:
        """The request of a ticket, which is void from now on; None for all that is no ticket."""
        self._expire()
        _, request = self._waiting.pop(token, (0.0, None))
        return request

    def _expire(self) -> None:
        now = self._clock()
        while self._waiting:
            token = next(iter(self._waiting))
            if self._waiting[token][0] > now:
                return
            del self._waiting[token]
