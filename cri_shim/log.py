"""Logging: one short line for each event, to stderr.

    2025-01-01T10:00:00.123 INFO pods.run pod is up pod=4f0c… ms=21

Values in `extra` are printed as key=value. Under systemd (JOURNAL_STREAM names stderr) lines
have the journal's <priority> instead of time and level.

`container ID` and `pod ID` in a message become the object's name with a short id, if `name_objects`
was called: drivers know only the ids.

An event with any foreign text is one line without control characters and of bounded length. Only
a traceback has more lines, and they are indented. So no text can imitate an event.
"""

import logging
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from cri_shim.untrusted import one_line, printable

LEVELS = ("debug", "info", "warning", "error")
MAX_MESSAGE = 16 << 10  # characters: some messages contain several errors
MAX_FACT = 1 << 10
MAX_TRACEBACK = 200  # lines; a recursion in asyncio has no more

_RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_WITH_ID = re.compile(r"\b(pod|container) ([0-9a-f]{64})(?![\w/])")
_PACKAGE = "cri_shim."
_LIBRARIES = ("asyncio", "grpc")  # their debug lines say nothing of pods

_set_up = False
_name_of: Callable[[str, str], object | None] | None = None


def name_objects(name_of: Callable[[str, str], object | None]) -> Callable[[], None]:
    """Let log lines name objects until the returned function is called.

    `name_of(kind, id)` returns `pod NAME (ID)`, or None. The last call counts.
    """
    global _name_of
    _name_of = name_of

    def stop() -> None:
        global _name_of
        if _name_of == name_of:
            _name_of = None

    return stop


def _named(found: re.Match[str]) -> str:
    name = None if _name_of is None else _name_of(found[1], found[2])
    return found[0] if name is None else str(name)


class Formatter(logging.Formatter):
    """`journal`: prefix every line with its priority, as sd-daemon(3) specifies."""

    def __init__(self, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        message = one_line(record.getMessage(), MAX_MESSAGE)
        if _name_of is not None:
            message = _WITH_ID.sub(_named, message)
        words = [record.name.removeprefix(_PACKAGE), message]
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
    global _set_up
    _set_up = True
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(to_journal()))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)


def is_set_up() -> bool:
    """Whether this is the log of a daemon; a program that uses the library has a log of its own."""
    return _set_up


def current_level() -> str:
    """Return the level in force."""
    return logging.getLevelName(logging.getLogger().level).lower()


def set_level(level: str) -> None:
    """Change the level of the running program. ValueError: there is no such level."""
    if level not in LEVELS:
        raise ValueError(f"{level!r} is not one of {', '.join(LEVELS)}")
    logging.getLogger().setLevel(level.upper())
