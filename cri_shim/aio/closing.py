"""What has been opened, to be closed in reverse: each thing, whatever the others do.

Like an AsyncExitStack whose errors have names: every one is logged with what it was about, and the
last is returned for whoever wants to raise it.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from cri_shim.errors import Unavailable

Close = Callable[[], Awaitable[Any] | Any]

_log = logging.getLogger(__name__)


class Closing:
    def __init__(self) -> None:
        self._open: list[tuple[str, Close]] = []

    def add(self, what: str, close: Close) -> None:
        """Have `close` (a function or coroutine function without arguments) called at the end.

        Add it before an opening that can half-fail; closing is idempotent for that reason.
        """
        self._open.append((what, close))

    async def close(self) -> Exception | None:
        """Close everything, the last first; the last error, all of which are logged here."""
        last: Exception | None = None
        while self._open:
            what, close = self._open.pop()
            if (problem := await attempt(f"closing {what}", close)) is not None:
                last = problem
        return last


async def attempt(what: str, step: Close) -> Exception | None:
    """Do one step of an end that goes on in any case; its error, which is logged here."""
    try:
        result = step()
        if inspect.isawaitable(result):
            await result
    except asyncio.CancelledError:  # of what the step waited for; ends run shielded themselves
        e = Unavailable(f"{what}: it was cut off")
        _log.error("%s", e)
        return e
    except Exception as e:
        _log.error("%s: %s", what, e)
        return e
    return None
