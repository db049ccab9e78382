"""The events that the daemon reads: JSON, one object a line. Several threads write them."""

import json
import os
import threading

from cri_shim.registry.failure import Failure


class Events:
    def __init__(self, fd: int = 1) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def send(self, event: str, **values: object) -> None:
        """Write an event; BrokenPipeError if the reader has closed it."""
        line = json.dumps({"event": event, **values}).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._fd, line) :]

    def retry(self, digest: str, host: str, attempt: int, failure: Failure, wait: float) -> None:
        seconds = round(wait, 3)
        self.send(
            "retry", digest=digest, host=host, attempt=attempt, reason=failure.cause, wait=seconds
        )

    def failed(self, digest: str, failure: Failure) -> None:
        self.send("failed", digest=digest, kind=failure.kind, message=failure.message)

    def warning(self, message: str) -> None:
        self.send("warning", message=message)
