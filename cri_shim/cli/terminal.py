"""The terminal of this command: raw mode, its size, and changes of its size."""

import asyncio
import os
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def raw(fd: int) -> Iterator[None]:
    """Set raw mode, in which each key is passed on at once, also Ctrl-C; restore it afterwards."""
    before = termios.tcgetattr(fd)
    tty.setraw(fd, termios.TCSANOW)  # keeps the keys that were typed ahead
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def size() -> tuple[int, int] | None:
    """Return columns and lines; None if no standard stream is a terminal."""
    for fd in (0, 1, 2):
        try:
            return os.get_terminal_size(fd)
        except OSError:
            continue
    return None


@contextmanager
def sizes(on_size: Callable[[int, int], None]) -> Iterator[None]:
    """Call `on_size` with the size now and after each change."""

    def changed() -> None:
        if (now := size()) is not None:
            on_size(*now)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, changed)
    try:
        changed()
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
