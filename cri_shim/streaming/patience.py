"""How many frames without data a client may send: pings, empty messages, streams opened and reset.

A few bytes make one, and each costs as much as a frame with data. Clients send few: five for each
forwarded connection, a ping every few seconds. So those of a client that moves data are forgiven,
the others are taken at a rate, and above it the session is ended. Frames with data are not counted:
they are only handled in turn with those of others.
"""

from collections.abc import Callable

BURST = 4000  # frames without data, at once
RATE = 200.0  # and in a second, for as long as one likes
FORGIVEN = 8  # of them for each frame with data, either way

REASON = f"too many frames without data: {BURST} are taken, and {RATE:g} a second after that"


class Patience:
    """`clock` gives seconds that only rise."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._level = 0.0

    def moved(self) -> None:
        """A frame brought data to its end, or takes some to the client."""
        self._level = max(0.0, self._level - FORGIVEN)

    def idle(self, frames: int) -> bool:
        """Count frames without data; False when there were too many."""
        now = self._clock()
        self._level = max(0.0, self._level - (now - self._since) * RATE) + frames
        self._since = now
        return self._level <= BURST
