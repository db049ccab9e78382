"""The setup of a program's log, and the change of its level while it runs."""

import logging

from cri_shim.log import journal
from cri_shim.log.json_lines import Json
from cri_shim.log.levels import LEVELS
from cri_shim.log.outlet import Datagrams, Outlet, Stream
from cri_shim.log.text import Text

_LIBRARIES = ("asyncio", "grpc")  # their debug lines say nothing of pods
_STDERR = 2
_OUTLET = "cri_shim.log"


class Lines(logging.Handler):
    """Writes lines of a form to stderr."""

    def __init__(self, form: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(form)
        self.outlet = Outlet(Stream(_STDERR), lambda count: self._bytes(_missing(count)))

    def flush(self) -> None:
        self.outlet.flush()

    def _bytes(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode(errors="backslashreplace")

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.outlet.write(self._bytes(record))
        except Exception:
            self.handleError(record)


class Journal(logging.Handler):
    """Sends events with fields to the journal."""

    def __init__(self) -> None:
        super().__init__()
        self._datagrams = Datagrams(journal.SOCKET)
        self.outlet = Outlet(self._datagrams, lambda count: journal.encoded(_missing(count)))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.outlet.write(journal.encoded(record))
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        self.outlet.flush()

    def close(self) -> None:
        self._datagrams.close()
        super().close()


def _missing(count: int) -> logging.LogRecord:
    text = "%d lines of the log were dropped: nothing has read them"
    return logging.LogRecord(_OUTLET, logging.WARNING, "", 0, text, (count,), None)


_set_up = False


def setup(level: str, form: str = "text") -> None:
    """Log events of `level` (one of LEVELS) and above, in a form of FORMATS.

    If stderr is the journal, the text form has the journal's fields, and the JSON form goes to
    stderr with the priority before each line.
    """
    global _set_up
    _set_up = True
    logging.basicConfig(level=level.upper(), handlers=[_handler(form)], force=True)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)


def _handler(form: str) -> Lines | Journal:
    ours = journal.is_stderr()
    if form == "json":
        return Lines(Json(priority=ours))
    if ours and journal.SOCKET.is_socket():
        return Journal()
    return Lines(Text(priority=ours))


def is_set_up() -> bool:
    """Whether this is the log of a daemon; a program that uses the library has a log of its own."""
    return _set_up


def dropped() -> int:
    """Return the number of lines that were dropped since the start."""
    handlers = logging.getLogger().handlers
    return sum(each.outlet.dropped for each in handlers if isinstance(each, Lines | Journal))


def current_level() -> str:
    """Return the level in force."""
    return logging.getLevelName(logging.getLogger().level).lower()


def set_level(level: str) -> None:
    """Change the level of the running program. ValueError: there is no such level."""
    if level not in LEVELS:
        raise ValueError(f"{level!r} is not one of {', '.join(LEVELS)}")
    logging.getLogger().setLevel(level.upper())
