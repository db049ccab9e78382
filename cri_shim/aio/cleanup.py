"""Undoing, releasing and closing: every step is done, whatever the others do.

A step is idempotent: it is named before what it undoes can half-fail, and the whole can be done
again until all of it has succeeded. Errors have the name of their step.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from cri_shim.errors import ToolFailed, Unavailable

Act = Callable[[], Awaitable[Any] | Any]  # a function or coroutine function without arguments
Step = tuple[str, Act]  # with its name, which may be empty where its errors say enough
Failure = tuple[str, Exception]

_log = logging.getLogger(__name__)


async def run_all(steps: Iterable[Step]) -> list[Failure]:
    """Do every step, in order, whatever the others do; the errors of those that failed."""
    return [(name, e) for name, act in steps if (e := await _error_of(name, act)) is not None]


def raise_all(what: str, failures: Sequence[Failure]) -> None:
    """ToolFailed with the errors of all steps that failed, if any did."""
    if failures:
        said = [f"{name}: {e}" if name else str(e) for name, e in failures]
        raise ToolFailed(f"{what}: {'; '.join(said)}") from failures[0][1]


async def release_all(what: str, steps: Iterable[Step]) -> None:
    """Do every step of what will be tried again if one fails; ToolFailed names those that did."""
    raise_all(f"{what} is not complete and will be retried", await run_all(steps))


async def attempt(what: str, act: Act) -> Exception | None:
    """Do one step of an end that goes on in any case; its error, which is logged here."""
    e = await _error_of(what, act)
    if e is not None:
        _log.error("%s: %s", what, e)
    return e


class Closing:
    """What has been opened, to be closed in reverse."""

    def __init__(self) -> None:
        self._open: list[Step] = []

    def add(self, what: str, close: Act) -> None:
        """Have `close` called at the end. Add it before an opening that can half-fail."""
        self._open.append((what, close))

    async def close(self) -> Exception | None:
        """Close everything, the last first; the last error, all of which are logged here."""
        last: Exception | None = None
        while self._open:
            what, close = self._open.pop()
            last = await attempt(f"closing {what}", close) or last
        return last


async def _error_of(what: str, act: Act) -> Exception | None:
    try:
        result = act()
        if inspect.isawaitable(result):
            await result
    except asyncio.CancelledError:
        me = asyncio.current_task()
        if me is not None and me.cancelling():
            raise
        return Unavailable(f"{what or 'a step'} was cut off")  # what it waited for was cancelled
    except Exception as e:
        return e
    return None
