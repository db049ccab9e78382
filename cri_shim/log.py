"""Logging: one short line for each event, to stderr.

    2025-01-01T10:00:00.123 INFO pods.run pod is up pod=4f0c… ms=21

Values in `extra` are printed as key=value. Under systemd (JOURNAL_STREAM names our stderr) lines
have the journal's <priority> instead of time and level.

An event with any foreign text is one line without control characters and of bounded length. Only
our own traceback has more lines, and they are indented. So no text can imitate an event.
"""

import logging
import os
import sys
import time
from typing import Any

from cri_shim.untrusted import one_line, printable

MAX_MESSAGE = 16 << 10  # characters: some messages contain several errors
MAX_FACT = 1 << 10
MAX_TRACEBACK = 200  # lines; a recursion in asyncio has no more

_RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_PACKAGE = "cri_shim."


class Formatter(logging.Formatter):
    """`journal`: prefix every line with its priority, as sd-daemon(3) specifies."""

    def __init__(self, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        words = [record.name.removeprefix(_PACKAGE), one_line(record.getMessage(), MAX_MESSAGE)]
        words += [f"{k}={_quoted(v)}" for k, v in record.__dict__.items() if k not in _RESERVED]
        lines = [" ".join(words)]
        if record.exc_info:
            lines += self._traceback(record.exc_info)
        if self._journal:
            prefix = f"<{_priority(record.levelno)}>"
            return "\n".join(prefix + line for line in lines)
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(record.created))
        return f"{clock}.{int(record.msecs):03} {record.levelname} " + "\n".join(lines)

    def _traceback(self, exc_info: Any) -> list[str]:
        """Return the beginning of the traceback, and its end, which names the error."""
        lines = self.formatException(exc_info).split("\n")
        if len(lines) > MAX_TRACEBACK:
            half = MAX_TRACEBACK // 2
            lines = [*lines[:half], "[...]", *lines[-half:]]
        return [f"  {printable(line)}" for line in lines]


def _quoted(value: object) -> str:
    text = one_line(value, MAX_FACT)
    return repr(text) if not text or set(text) & set(" \"='") else text


def _priority(level: int) -> int:
    """Return syslog's number: critical 2, error 3, warning 4, info 6, debug 7."""
    steps = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
    return next((number for floor, number in steps if level >= floor), 7)


def to_journal() -> bool:
    """Whether stderr is the journal. JOURNAL_STREAM is its device:inode, see systemd.exec(5)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        mine = os.fstat(2)
    except OSError:
        return False
    return (device, inode) == (str(mine.st_dev), str(mine.st_ino))


def setup(level: str) -> None:
    """Send events of `level` ("debug", "info", "warning", "error") and above to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(to_journal()))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
