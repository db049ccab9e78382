"""Tells failed ExecSyncs, without filling the log: a failing probe is repeated every second.

The first failure of a command in a container is a line. Equal ones after it are counted, and told
as one line after a while.
"""

import asyncio
import logging
from dataclasses import dataclass

PAUSE_S = 120.0  # between two lines of one command in one container
MOST = 1024  # commands that are counted at once; further ones are told each time

_log = logging.getLogger(__name__)
_Key = tuple[str, int]  # the id of the container, the hash of the command: it may have secrets


@dataclass(slots=True)
class _Failing:
    subject: str
    result: str
    more: int = 0  # failures that were not told


class ExecFailures:
    """Call `note` at each failure, and `close` at the end."""

    def __init__(self, pause: float = PAUSE_S) -> None:
        self._pause = pause
        self._failing: dict[_Key, _Failing] = {}
        self._timers: dict[_Key, asyncio.TimerHandle] = {}

    def note(self, id: str, subject: str, command: list[str], result: str) -> None:
        """`subject` is the name of the container `id`; `result` is how the command failed."""
        key = id, hash(tuple(command))
        known = self._failing.get(key)
        if known is not None and known.result == result:
            known.more += 1
            return
        _log.info("%s: exec failed: %s", subject, result)
        if known is not None:
            known.result = result
        elif len(self._failing) < MOST:
            self._failing[key] = _Failing(subject, result)
            self._tell_later(key)

    def _tell_later(self, key: _Key) -> None:
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(self._pause, self._tell, key)

    def _tell(self, key: _Key) -> None:
        known = self._failing[key]
        if not known.more:
            del self._failing[key], self._timers[key]
            return
        text = "%s: exec failed %d more times in %g min: %s"
        _log.info(text, known.subject, known.more, self._pause / 60, known.result)
        known.more = 0
        self._tell_later(key)

    def close(self) -> None:
        """End the timers; what was not told is told now."""
        for timer in self._timers.values():
            timer.cancel()
        for known in self._failing.values():
            if known.more:
                _log.info("%s: exec failed %d more times", known.subject, known.more)
        self._failing.clear()
        self._timers.clear()
