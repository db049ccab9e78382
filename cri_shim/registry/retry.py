"""When to try again: longer and longer waits with chance in them; pure."""

import random
from collections.abc import Callable

MANIFEST_TRIES = 3
BLOB_TRIES = 6  # without progress
_FIRST_S = 0.5
_LONGEST_S = 30.0
LONGEST_ASKED_S = 120.0  # a registry that asks for a longer wait is given up


class Backoff:
    """Counts the tries of one request."""

    def __init__(self, tries: int, chance: Callable[[], float] = random.random) -> None:
        self._tries = tries
        self._chance = chance
        self.attempt = 1

    def reset(self) -> None:
        """Begin to count again, after progress."""
        self.attempt = 1

    def next(self, asked: float | None = None) -> float | None:
        """Return the seconds until the next try; None if there is none.

        `asked`: the seconds that the registry wants. Clients that were refused together do not
        come back together: between half and all of the wait is chance.
        """
        if self.attempt >= self._tries or (asked or 0.0) > LONGEST_ASKED_S:
            return None
        longest: float = min(_FIRST_S * 2 ** (self.attempt - 1), _LONGEST_S)
        self.attempt += 1
        return (asked or 0.0) + longest * (0.5 + self._chance() / 2)
