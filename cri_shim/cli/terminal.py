"""The terminal this command runs in: raw, its size, and news of a new one."""

import asyncio
import os
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def raw(fd: int) -> Iterator[None]:
    """Each key goes on as it is pressed, Ctrl-C too; afterwards the terminal is as before."""
    before = termios.tcgetattr(fd)
    tty.setraw(fd, termios.TCSANOW)  # what was typed ahead is kept
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def size() -> tuple[int, int] | None:
    """Columns and lines; None where none of our streams is a terminal."""
    for fd in (0, 1, 2):
        try:
            return os.get_terminal_size(fd)
        except OSError:
            continue
    return None


@contextmanager
def sizes(tell: Callable[[int, int], None]) -> Iterator[None]:
    """Tell the size now and whenever it changes."""

    def changed() -> None:
        if (now := size()) is not None:
            tell(*now)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, changed)
    try:
        changed()
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
