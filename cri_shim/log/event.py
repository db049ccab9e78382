"""One event of the log: its message, its facts, its object, and the request that it belongs to.

`container ID` and `pod ID` in a message become the object's name with a short id, if `name_objects`
was called: drivers know only the ids. The object of an event is the one that its message names so,
else that of the operation, or of the call, of the task that logs it.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cri_shim.activity import caller
from cri_shim.activity.request import request_id
from cri_shim.activity.step import current_operation
from cri_shim.activity.subject import Subject
from cri_shim.untrusted import one_line, printable

MAX_MESSAGE = 16 << 10  # characters: some messages contain several errors
MAX_TRACEBACK = 200  # lines; a recursion in asyncio has no more

# syslog's numbers of our levels.
PRIORITIES: Mapping[str, int] = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}

_RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_WITH_ID = re.compile(r"\b(pod|container) ([0-9a-f]{64})(?![\w/])")
_PACKAGE = "cri_shim."

_formatter = logging.Formatter()
_name_of: Callable[[str, str], object | None] | None = None


def name_objects(name_of: Callable[[str, str], object | None]) -> Callable[[], None]:
    """Let log lines name objects until the returned function is called.

    `name_of(kind, id)` returns a Subject, or None. The last call counts.
    """
    global _name_of
    _name_of = name_of

    def stop() -> None:
        global _name_of
        if _name_of == name_of:
            _name_of = None

    return stop


@dataclass(frozen=True, slots=True)
class Event:
    """`level` is a key of PRIORITIES; `facts` are the values in `extra`, not bounded yet."""

    level: str
    logger: str
    message: str
    facts: Mapping[str, Any]
    traceback: list[str]
    request: str
    subject: Subject | None

    @classmethod
    def of(cls, record: logging.LogRecord) -> "Event":
        """Make it in the task that logs the record."""
        message = one_line(record.getMessage(), MAX_MESSAGE)
        subjects: list[Subject] = []
        if _name_of is not None:
            message = _WITH_ID.sub(lambda found: _named(found, subjects), message)
        return cls(
            _level(record.levelno),
            record.name.removeprefix(_PACKAGE),
            message,
            {key: value for key, value in record.__dict__.items() if key not in _RESERVED},
            _traceback(record.exc_info) if record.exc_info else [],
            request_id.get(),
            next(iter(subjects), None) or _of_task(),
        )

    def object(self) -> dict[str, str]:
        """Return the parts of the subject that are known: namespace, pod, container, their ids."""
        subject = self.subject
        if subject is None or subject.kind not in ("pod", "container"):
            return {}
        names = subject.name.split("/")
        parts: tuple[str, ...]
        found = {"pod_id": subject.pod_id}
        if subject.kind == "pod":
            found["pod_id"] = subject.id or subject.pod_id
            parts = ("namespace", "pod")
        else:
            found["container_id"] = subject.id
            parts = ("namespace", "pod", "container") if len(names) > 1 else ("container",)
        found |= dict(zip(parts, names, strict=False))
        return {key: one_line(value, MAX_MESSAGE) for key, value in found.items() if value}


def _of_task() -> Subject | None:
    """Return the object of the work of this task."""
    if (operation := current_operation()) is not None:
        return operation.subject
    call = caller.current()
    return None if call is None else call.object()


def _named(found: re.Match[str], subjects: list[Subject]) -> str:
    name = None if _name_of is None else _name_of(found[1], found[2])
    if isinstance(name, Subject):
        subjects.append(name)
    return found[0] if name is None else str(name)


def _level(number: int) -> str:
    """Return the name of a level; one between two of ours counts as the lower one."""
    for floor, name in (
        (logging.CRITICAL, "critical"),
        (logging.ERROR, "error"),
        (logging.WARNING, "warning"),
        (logging.INFO, "info"),
    ):
        if number >= floor:
            return name
    return "debug"


def _traceback(exc_info: Any) -> list[str]:
    """Return the beginning of the traceback, and its end, which names the error."""
    lines = _formatter.formatException(exc_info).split("\n")
    if len(lines) > MAX_TRACEBACK:
        half = MAX_TRACEBACK // 2
        lines = [*lines[:half], "[...]", *lines[-half:]]
    return [printable(line) for line in lines]
