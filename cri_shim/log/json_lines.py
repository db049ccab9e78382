"""The JSON form: one object a line, in ASCII.

    {"time": "2025-01-01T10:00:00.123Z", "level": "info", "logger": "pods.run", "message": "...",
     "request": "4f0c1b2a-17", "namespace": "default", "pod": "web", "podId": "...", ...}

`container` and `containerId` are there for containers, `traceback` for bugs, and values
in `extra` under `facts`. For the journal (`priority`) the line begins with its <priority>.
"""

import json
import logging
import time
from typing import Any

from cri_shim.log.event import PRIORITIES, Event
from cri_shim.log.text import MAX_FACT
from cri_shim.untrusted import one_line

_KEYS = {"pod_id": "podId", "container_id": "containerId"}


class Json(logging.Formatter):
    def __init__(self, *, priority: bool) -> None:
        super().__init__()
        self._priority = priority

    def format(self, record: logging.LogRecord) -> str:
        event = Event.of(record)
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        found: dict[str, Any] = {
            "time": f"{second}.{int(record.msecs):03}Z",
            "level": event.level,
            "logger": event.logger,
            "message": event.message,
        }
        if event.request:
            found["request"] = event.request
        found |= {_KEYS.get(key, key): value for key, value in event.object().items()}
        if event.facts:
            found["facts"] = {key: _value(value) for key, value in event.facts.items()}
        if event.traceback:
            found["traceback"] = "\n".join(event.traceback)
        line = json.dumps(found)
        return f"<{PRIORITIES[event.level]}>{line}" if self._priority else line


def _value(value: object) -> object:
    return value if isinstance(value, bool | int | None) else one_line(value, MAX_FACT)
