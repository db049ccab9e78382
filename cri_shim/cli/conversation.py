"""Connects standard input, output and the terminal with a session."""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.cli.exit_codes import UsageError
from cri_shim.errors import CriShimError, ToolFailed

if TYPE_CHECKING:
    from cri_shim.cli.session import Session
    from cri_shim.wire.remotecommand import Outcome

_CHUNK = 1 << 15  # bytes of input that are sent at once


def check_terminal(*, stdin: bool, tty: bool) -> None:
    """Refuse to give a terminal to a program whose input is none."""
    if tty and stdin and not sys.stdin.isatty():
        raise UsageError("input is not a terminal: leave out -t, or -i")


def tell_unread_input() -> None:
    """Say that input which waits for us is not passed on."""
    with suppress(OSError, ValueError):
        mode = os.fstat(sys.stdin.fileno())
        waits = stat.S_ISREG(mode.st_mode) and mode.st_size > 0
        if waits or (stat.S_ISFIFO(mode.st_mode) and _has_data(sys.stdin.fileno())):
            print("cri-shim: the input is not passed on: use -i", file=sys.stderr)


def _has_data(fd: int) -> bool:
    import fcntl
    import termios

    count = fcntl.ioctl(fd, termios.FIONREAD, bytes(4))
    return int.from_bytes(count, sys.byteorder) > 0


async def converse(url: str, certificate: Path | None, *, stdin: bool, tty: bool) -> "Outcome":
    """Run a session to its end: send standard input if `stdin`, and show the output."""
    from cri_shim.cli import terminal
    from cri_shim.cli.session import Session

    async with await Session.open(url, certificate) as session:
        with ExitStack() as stack:
            if tty and stdin:
                stack.enter_context(terminal.raw(sys.stdin.fileno()))
            if tty:
                stack.enter_context(terminal.sizes(session.resize))
            feeding = asyncio.create_task(_feed(session)) if stdin else None
            try:
                return await session.receive(show)
            finally:
                if feeding is not None:
                    feeding.cancel()
                    await asyncio.wait([feeding])


def exit_code(outcome: "Outcome") -> int:
    """Return the exit code of a session's command; raise the error of a session that failed."""
    if outcome.error:
        raise error_of(outcome)
    return outcome.exit_code


def error_of(outcome: "Outcome") -> CriShimError:
    from cri_shim.rpc.codes import kind_named

    return (kind_named(outcome.kind) or ToolFailed)(outcome.error)


def show(stream: int, data: bytes | memoryview) -> None:
    """Write output to stdout (1) or stderr (2) at once."""
    to = (sys.stdout if stream == 1 else sys.stderr).buffer
    to.write(data)
    to.flush()


async def _feed(session: "Session") -> None:
    """Send standard input to its end. If the session has ended, its reader has already seen it."""
    with suppress(ConnectionError):
        async for data in _input(sys.stdin.fileno()):
            await session.send(data)
        session.end_input()


async def _input(fd: int) -> AsyncIterator[bytes]:
    """Read `fd`, a terminal, a pipe or a file, until its end."""
    with suppress(OSError):  # a terminal that is gone, or a closed input: the end
        while True:
            await _readable(fd)
            if not (data := os.read(fd, _CHUNK)):
                return
            yield data


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    try:
        loop.add_reader(fd, ready.set_result, None)
    except PermissionError:  # a file: always readable
        await asyncio.sleep(0)
        return
    try:
        await ready
    finally:
        loop.remove_reader(fd)
