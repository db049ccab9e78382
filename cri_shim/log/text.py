"""The text form: one short line for each event.

    2025-01-01T10:00:00.123 INFO pods.run pod is up ms=21 request=4f0c1b2a-17

Values in `extra` are printed as key=value. `request` is the id of the call, in each line of the
work that the call has begun. For the journal (`priority`) the line has its <priority> instead of
time and level, as sd-daemon(3) specifies.

An event with any foreign text is one line without control characters and of bounded length. Only
a traceback has more lines, and they are indented. So no text can imitate an event.
"""

import logging
import time

from cri_shim.log.event import PRIORITIES, Event
from cri_shim.untrusted import one_line

MAX_FACT = 1 << 10


class Text(logging.Formatter):
    def __init__(self, *, priority: bool) -> None:
        super().__init__()
        self._priority = priority

    def format(self, record: logging.LogRecord) -> str:
        event = Event.of(record)
        if self._priority:
            prefix = f"<{PRIORITIES[event.level]}>"
            return "\n".join(prefix + line for line in lines(event))
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(record.created))
        head = f"{clock}.{int(record.msecs):03} {record.levelname} "
        return head + "\n".join(lines(event))


def lines(event: Event) -> list[str]:
    """Return the line of an event without time and level, and the lines of its traceback."""
    words = [event.logger, event.message]
    words += [f"{key}={_quoted(value)}" for key, value in event.facts.items()]
    if event.request:
        words.append(f"request={event.request}")
    return [" ".join(words), *(f"  {line}" for line in event.traceback)]


def _quoted(value: object) -> str:
    text = one_line(value, MAX_FACT)
    return repr(text) if not text or set(text) & set(" \"='") else text
