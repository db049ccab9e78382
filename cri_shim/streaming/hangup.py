"""Tells that a client has gone while its bytes are not read.

A session whose input is full stops reading, and would find out about the end of its client only
when it reads again: perhaps never. The kernel knows at once.
"""

import asyncio
import select
from collections.abc import Callable

DELAY_S = 0.5  # most pauses are shorter than this and not worth a descriptor


class Hangup:
    """Calls `gone` when the peer of socket `fd` has closed or is lost. `close` ends it."""

    def __init__(self, fd: int, gone: Callable[[], None]) -> None:
        self._fd = fd
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._epoll: select.epoll | None = None
        self._timer = self._loop.call_later(DELAY_S, self._watch)

    def _watch(self) -> None:
        # The loop's selector knows reading and writing alone; an epoll inside it knows more.
        try:
            self._epoll = select.epoll(1)
        except OSError:  # no descriptor is left: it is noticed at the next read, or when idle
            return
        self._epoll.register(self._fd, select.EPOLLRDHUP | select.EPOLLET)
        self._loop.add_reader(self._epoll.fileno(), self._gone)

    def close(self) -> None:
        """Watch no more. Idempotent."""
        self._timer.cancel()
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None
