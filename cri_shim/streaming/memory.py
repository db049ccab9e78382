"""Limits of the memory for buffered bytes: of one session, and of all sessions together.

A client's bytes are buffered while its command or pod does not read them. A session whose share is
full stops reading until the share is half empty. When all shares together reach the pool's limit,
shares above FAIR are full, too. Output that clients do not read is counted in a separate pool
(connection).
"""

from collections.abc import Callable

SESSION_INPUT = 2 << 20  # buffered bytes for the pod or command of one session
TOTAL_INPUT = 64 << 20  # buffered bytes for the pods and commands of all sessions
FAIR = 64 << 10  # bytes that a session may always buffer
TOTAL_OUTPUT = 64 << 20  # buffered bytes for all clients that do not read


class Pool:
    """The bytes of all sessions, with their limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._shares: set[Share] = set()
        self._tight = False
        self.held = 0

    @property
    def tight(self) -> bool:
        """Whether all shares together are above the limit."""
        return self._tight

    def share(self, limit: int, full: Callable[[bool], None] = lambda on: None) -> "Share":
        """Make the share of a session; `full(on)` is called when its being full changes."""
        return Share(self, limit, full)

    def changed(self, share: "Share", by: int) -> None:
        """Count that a share has changed by `by` bytes."""
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
    """The bytes of one session. `hold(0)` gives them back."""

    def __init__(self, pool: Pool, limit: int, full: Callable[[bool], None]) -> None:
        self._pool = pool
        self._limit = limit
        self._on_full = full
        self._full = False
        self.held = 0

    def hold(self, count: int) -> None:
        """Set the number of bytes."""
        if count != self.held:
            by, self.held = count - self.held, count
            self._pool.changed(self, by)
            self.look()

    def look(self) -> None:
        """Tell the session if the share has become full, or is not full any more."""
        limit = min(FAIR, self._limit) if self._pool.tight else self._limit
        full = self.held > (limit // 2 if self._full else limit)
        if full != self._full:
            self._full = full
            self._on_full(full)
