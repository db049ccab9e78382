"""Notices that a client has disconnected while its bytes are not read.

A session whose input is full stops reading. It would notice the end of its client only at the next
read, perhaps never. The kernel reports the end at once.
"""

import asyncio
import select
from collections.abc import Callable

DELAY_S = 0.5  # most pauses are shorter and not worth a descriptor


class Hangup:
    """Calls `gone` when the peer of socket `fd` closes or is lost. `close` ends the watch."""

    def __init__(self, fd: int, gone: Callable[[], None]) -> None:
        self._fd = fd
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._epoll: select.epoll | None = None
        self._timer = self._loop.call_later(DELAY_S, self._watch)

    def _watch(self) -> None:
        # The loop's selector supports only reading and writing; a nested epoll supports EPOLLRDHUP.
        try:
            self._epoll = select.epoll(1)
        except OSError:  # no descriptor is left: the next read or the idle limit notices the end
            return
        self._epoll.register(self._fd, select.EPOLLRDHUP | select.EPOLLET)
        self._loop.add_reader(self._epoll.fileno(), self._gone)

    def close(self) -> None:
        """End the watch. Idempotent."""
        self._timer.cancel()
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None
