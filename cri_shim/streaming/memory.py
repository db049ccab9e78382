"""Memory that is held for clients: what one session may hold, and all of them together.

What a client sends waits here while its command or pod does not read it. A share that is full stops
its session from reading, until it is half empty. Once all shares together hold the pool's limit,
those above FAIR are full, too. What waits for clients that do not read is counted in a pool of its
own (connection).
"""

from collections.abc import Callable

SESSION_INPUT = 2 << 20  # bytes that wait for the pod or command of one session
TOTAL_INPUT = 64 << 20  # and for those of all sessions
FAIR = 64 << 10  # that a session may hold whatever the others do
TOTAL_OUTPUT = 64 << 20  # bytes that wait for all clients that do not read


class Pool:
    """What all sessions may hold, in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._shares: set[Share] = set()
        self._tight = False
        self.held = 0

    @property
    def tight(self) -> bool:
        """Whether all shares together hold more than they should."""
        return self._tight

    def share(self, limit: int, full: Callable[[bool], None] = lambda on: None) -> "Share":
        """The share of a session; `full(on)` is called when it is full, or is not any more."""
        return Share(self, limit, full)

    def changed(self, share: "Share", by: int) -> None:
        """A share has grown or shrunk."""
        self.held += by
        if share.held:
            self._shares.add(share)
        else:
            self._shares.discard(share)
        tight = self.held > (self._limit // 2 if self._tight else self._limit)
        if tight != self._tight:
            self._tight = tight
            for each in list(self._shares):
                each.look()


class Share:
    """What one session holds. `hold(0)` gives it back."""

    def __init__(self, pool: Pool, limit: int, full: Callable[[bool], None]) -> None:
        self._pool = pool
        self._limit = limit
        self._tell = full
        self._full = False
        self.held = 0

    def hold(self, count: int) -> None:
        """So many bytes are held from now on."""
        if count != self.held:
            by, self.held = count - self.held, count
            self._pool.changed(self, by)
            self.look()

    def look(self) -> None:
        """Tell the session if it has become full, or is not any more."""
        limit = min(FAIR, self._limit) if self._pool.tight else self._limit
        full = self.held > (limit // 2 if self._full else limit)
        if full != self._full:
            self._full = full
            self._tell(full)
