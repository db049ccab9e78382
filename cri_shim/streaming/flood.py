"""The limit of frames without data: pings, empty messages, streams that are opened and reset.

Such a frame has a few bytes, but costs as much as a frame with data. Clients send few: five for
each forwarded connection, a ping every few seconds. So each frame with data pays for some of them,
and the others have a limited rate; above it the session is ended. Frames with data are not limited:
sessions handle them in turns.
"""

from collections.abc import Callable

BURST = 4000  # frames without data, at once
RATE = 200.0  # frames without data in a second, for any time
CREDIT = 8  # frames without data that are paid for by a frame with data, in either direction

REASON = f"too many frames without data: {BURST} are taken, and {RATE:g} a second after that"


class FloodLimit:
    """`clock` returns the time of a monotonic clock in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._level = 0.0

    def moved(self) -> None:
        """Count a frame with data, in either direction."""
        self._level = max(0.0, self._level - CREDIT)

    def idle(self, frames: int) -> bool:
        """Count frames without data; return False if there were too many."""
        now = self._clock()
        self._level = max(0.0, self._level - (now - self._since) * RATE) + frames
        self._since = now
        return self._level <= BURST
