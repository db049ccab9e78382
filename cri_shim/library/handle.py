"""The shared part of pods, containers and images: identity, and times as Python has them."""

from datetime import UTC, datetime

from cri_shim.activity import Subject
from cri_shim.engine import Engine

NEVER = "0001-01-01T00:00:00Z"  # Go's zero time


class Handle:
    """An id and the engine of a runtime. Everything else is read from the engine at each use."""

    def __init__(self, engine: Engine, id: str) -> None:
        self._unchecked = engine
        self.id = id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id[:12]}>"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, type(self))
            and other.id == self.id
            and other._unchecked is self._unchecked
        )

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def _engine(self) -> Engine:
        """The engine; raises RuntimeStopped once the runtime has stopped."""
        return self._unchecked.alive()

    def _named(self, kind: str, id: str) -> Subject | None:
        return self._unchecked.objects.named(kind, id)


def moment(nanoseconds: int) -> datetime:
    """Convert nanoseconds since the epoch to UTC with microseconds."""
    return datetime.fromtimestamp(nanoseconds / 10**9, UTC)


def nanoseconds(at: datetime | int) -> int:
    """Convert to nanoseconds since the epoch; a datetime without a zone is local time."""
    if isinstance(at, int):
        return at
    return int(at.timestamp() * 10**6) * 1000


def text(nanoseconds: int) -> str:
    """Format nanoseconds since the epoch in RFC 3339; NEVER for 0."""
    if not nanoseconds:
        return NEVER
    whole, fraction = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%FT%T}.{fraction:09}Z"
