"""What a running conmon is told through its FIFO `ctl`: reopen the log, resize the terminal.

conmon 2.1.6 handles only the first of several lines that it reads at once, so lines to one conmon
are apart by GAP_S, and of resizes that wait only the last is sent.
"""

import asyncio
import errno
import os
from pathlib import Path

from cri_shim.aio.keyed_lock import KeyedLock
from cri_shim.errors import TimedOut, ToolFailed, WrongState

GAP_S = 0.02
REOPEN_S = 5.0  # for the new log file to appear; measured: 0.8 ms
_POLL_S = 0.001


class Control:
    def __init__(self) -> None:
        self._lock = KeyedLock()
        self._sizes: dict[Path, tuple[int, int]] = {}

    async def reopen_log(self, bundle: Path, log_path: str) -> None:
        """Have conmon write to a new file `log_path`, and return when it does.

        WrongState if conmon has ended; TimedOut if it does not react.
        """
        async with self._lock(bundle):
            before = _identity(log_path)
            _write(bundle, b"2 0 0\n")
            # There is no answer, but a new file takes the name when it is in use: so the line has
            # been read, and no gap is needed.
            try:
                async with asyncio.timeout(REOPEN_S):
                    await _another(log_path, before)
            except TimeoutError as e:
                raise TimedOut(
                    f"the log {log_path} was not opened anew within {REOPEN_S:g} s: conmon does"
                    " not react, or cannot create the file"
                ) from e

    async def resize(self, bundle: Path, width: int, height: int) -> None:
        """Set the size of the terminal, in characters. WrongState if conmon has ended."""
        self._sizes[bundle] = width, height
        async with self._lock(bundle):
            size = self._sizes.pop(bundle, None)
            if size is None:
                return  # a call that came later was served with the one before it
            _write(bundle, f"1 {size[1]} {size[0]}\n".encode())
            await asyncio.sleep(GAP_S)


def _write(bundle: Path, line: bytes) -> None:
    try:
        fd = os.open(bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        if e.errno in (errno.ENXIO, errno.ENOENT):
            raise WrongState(f"{bundle.name}: its conmon has ended") from e
        raise ToolFailed(f"cannot reach the conmon of {bundle.name}: {e}") from e
    try:
        os.write(fd, line)
    except OSError as e:
        raise ToolFailed(f"cannot reach the conmon of {bundle.name}: {e}") from e
    finally:
        os.close(fd)


async def _another(path: str, before: tuple[int, int] | None) -> None:
    """Return when there is a file `path` that is not the one from before."""
    while True:
        if _identity(path) not in (None, before):
            return
        await asyncio.sleep(_POLL_S)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
