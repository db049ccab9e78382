"""Undoing, releasing and closing: every step runs, even if others fail.

A step is idempotent. It is registered before the action that it undoes, because that may half-fail;
and all steps can run again until all have succeeded. An error has the name of its step.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from cri_shim import activity
from cri_shim.errors import ToolFailed, Unavailable

Act = Callable[[], Awaitable[Any] | Any]  # a function or coroutine function without arguments
Step = tuple[str, Act]  # with its name, which may be empty if its errors are clear without it
Failure = tuple[str, Exception]

_log = logging.getLogger(__name__)


async def run_all(steps: Iterable[Step]) -> list[Failure]:
    """Run every step, in order, even if others fail; return the errors of the failed ones."""
    return [(name, e) for name, act in steps if (e := await _error_of(name, act)) is not None]


def raise_all(what: str, failures: Sequence[Failure]) -> None:
    """Raise ToolFailed with the errors of all failed steps, if there are any."""
    if failures:
        messages = [f"{name}: {e}" if name else str(e) for name, e in failures]
        raise ToolFailed(f"{what}: {'; '.join(messages)}") from failures[0][1]


async def release_all(what: str, steps: Iterable[Step]) -> None:
    """Run steps that the caller will retry if one fails; ToolFailed has the errors of all."""
    raise_all(f"{what} is not complete and will be retried", await run_all(steps))


async def attempt(what: str, act: Act) -> Exception | None:
    """Run one step of a clean-up that continues in any case; log its error and return it."""
    e = await _error_of(what, act)
    if e is not None:
        _log.error("%s: %s", what, e)
    return e


class Closing:
    """Closes in reverse order what was opened."""

    def __init__(self) -> None:
        self._open: list[Step] = []

    def add(self, what: str, close: Act) -> None:
        """Call `close` at the end. Add it before an opening that can half-fail."""
        self._open.append((what, close))

    async def close(self) -> Exception | None:
        """Close everything, the last first; log all errors and return the last one."""
        last: Exception | None = None
        while self._open:
            what, close = self._open.pop()
            last = await attempt(f"closing {what}", close) or last
        return last


async def _error_of(what: str, act: Act) -> Exception | None:
    try:
        result = act()
        if inspect.isawaitable(result):
            if not what:
                await result
            else:
                with activity.Step(what):
                    await result
    except asyncio.CancelledError:
        me = asyncio.current_task()
        if me is not None and me.cancelling():
            raise
        return Unavailable(f"{what or 'a step'} was cut off")  # the awaited work was cancelled
    except Exception as e:
        return e
    return None
