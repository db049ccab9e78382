"""A value that is replaced while the program runs, and of which each call sees one version.

    live = Live(first)
    live.enter()         # at the beginning of a call: its task, and the tasks that it starts
    live.get()           # in the call: the version of its beginning; elsewhere the newest one
    live.replace(second)

The version is in the context (contextvars) of the task, which asyncio copies for each new task. So
work that a call starts and that outlives it keeps the version, too.
"""

from contextvars import ContextVar
from typing import Any, Generic, TypeVar

T = TypeVar("T")

# The value of a call with its owner: several runtimes may be in one process.
_seen: ContextVar[tuple[object, Any] | None] = ContextVar("live value", default=None)


class Live(Generic[T]):
    def __init__(self, value: T) -> None:
        self._newest = value

    @property
    def newest(self) -> T:
        return self._newest

    def replace(self, value: T) -> None:
        """Let calls that begin from now on see `value`."""
        self._newest = value

    def enter(self) -> None:
        """Let this task, and the tasks that it starts, see the present version until their ends."""
        _seen.set((self, self._newest))

    def get(self) -> T:
        """Return the version of this call; the newest one if this task serves no call."""
        seen = _seen.get()
        if seen is None or seen[0] is not self:
            return self._newest
        value: T = seen[1]
        return value
