"""Reloads that SIGHUP asks for: one at a time, and one more for all signals that come meanwhile."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cri_shim.cli import notify
from cri_shim.config.failures import each
from cri_shim.errors import ConfigError, CriShimError

_log = logging.getLogger(__name__)


class Reloads:
    """`reload` reads the configuration and logs what changed; it raises ConfigError."""

    def __init__(self, reload: Callable[[], Awaitable[object]]) -> None:
        self._reload = reload
        self._asked = False
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Begin a reload, or note that one more is needed after the running one."""
        self._asked = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="reload")

    async def _run(self) -> None:
        while self._asked:
            self._asked = False
            notify.send("RELOADING=1")
            try:
                await self._reload()
            except ConfigError as e:
                for text in each(e):
                    _log.error("nothing was reloaded: %s", text)
            except (CriShimError, OSError) as e:
                _log.error("nothing was reloaded: %s", e)
            finally:
                notify.send("READY=1")

    async def close(self) -> None:
        """End the running reload; settings are replaced at once or not at all."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
