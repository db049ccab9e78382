"""Times as Python has them, and as records and JSON do."""

from datetime import UTC, datetime

NEVER = "0001-01-01T00:00:00Z"  # as Go prints its zero


def moment(nanoseconds: int) -> datetime:
    """To the microsecond, in UTC."""
    return datetime.fromtimestamp(nanoseconds / 10**9, UTC)


def nanoseconds(at: datetime | int) -> int:
    """Since the epoch; a datetime without a zone is local time."""
    if isinstance(at, int):
        return at
    return int(at.timestamp() * 10**6) * 1000


def text(nanoseconds: int) -> str:
    """RFC 3339 with nanoseconds; NEVER for 0."""
    if not nanoseconds:
        return NEVER
    whole, fraction = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%FT%T}.{fraction:09}Z"
