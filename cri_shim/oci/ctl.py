"""The requests to a running conmon through its FIFO `ctl`: reopen the log, resize the terminal.

conmon 2.1.6 handles only the first of several lines that it reads at once. So there are GAP_S
between two lines to one conmon, and of several waiting resizes only the last is sent. conmon ends
when it cannot make a new log, and 2.2 accepts no size above 1000; this module requests neither.
"""

import asyncio
import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from cri_shim.aio.keyed_lock import KeyedLock
from cri_shim.aio.offload import finish
from cri_shim.errors import CriShimError, TimedOut, ToolFailed, WrongState
from cri_shim.oci import log_directory
from cri_shim.oci.log_directory import LogFile

GAP_S = 0.02
REOPEN_S = 30.0  # until the new log is in use: 0.8 ms, plus the time to sync the old one
MAX_SIZE = 1000  # rows or columns
_REOPEN = b"2 0 0\n"
_PENDING = 1 << 12  # bytes of lines that conmon has not read yet


class Control:
    """`logs` has the mounts of log directories for conmon, one for each container id."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._lock = KeyedLock()
        self._sizes: dict[Path, tuple[int, int]] = {}

    async def reopen_log(self, bundle: Path, log: LogFile) -> None:
        """Let conmon write to a new file `log`; return when it does.

        The file is made before conmon gets the request. WrongState if conmon has ended, or if
        another object has the name of the file. After Unavailable or TimedOut conmon continues with
        its old log.
        """
        at = self._logs / bundle.name
        async with self._lock(bundle):
            tree, new = await log_directory.look(
                log, log_directory.open_next, log, at, discard=_close_tree
            )
            try:
                if tree is not None:
                    log_directory.mount(tree, at)
                _write(bundle, _REOPEN)
                used = await log_directory.look(
                    log, log_directory.wait, log, new, REOPEN_S, limit=2 * REOPEN_S
                )
                if not used:
                    raise TimedOut(  # noqa: TRY301
                        f"the log {log.path} was not reopened within {REOPEN_S:g} s: conmon does"
                        " not react, and writes on to the open log"
                    )
            except BaseException as e:
                if isinstance(e, WrongState):  # conmon has ended: a removal may already be complete
                    log_directory.unmount(at)
                with suppress(CriShimError):
                    _withdraw(bundle)
                    await finish(log_directory.look(log, log_directory.forget_next, log))
                raise

    async def resize(self, bundle: Path, width: int, height: int) -> None:
        """Set the size of the terminal, in characters. WrongState if conmon has ended."""
        self._sizes[bundle] = _possible(width), _possible(height)
        async with self._lock(bundle):
            size = self._sizes.pop(bundle, None)
            if size is None:
                return  # the call before this one has already sent the size
            _write(bundle, f"1 {size[1]} {size[0]}\n".encode())
            await asyncio.sleep(GAP_S)


def _close_tree(result: tuple[int | None, Any]) -> None:
    if result[0] is not None:
        os.close(result[0])


def _possible(size: int) -> int:
    return max(1, min(size, MAX_SIZE))


def _withdraw(bundle: Path) -> None:
    """Take back a request to reopen the log that conmon has not read.

    If conmon read it later, it would remove the log that the caller has put back.
    """
    try:
        fd = os.open(bundle / "ctl", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # conmon has ended
    try:
        unread = os.read(fd, _PENDING)
    except BlockingIOError:
        return
    finally:
        os.close(fd)
    sizes = [line for line in unread.splitlines(keepends=True) if line != _REOPEN]
    if sizes:
        _write(bundle, sizes[-1])


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
