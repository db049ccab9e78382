"""The call of a client, and the operation that it waits for."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from cri_shim.activity.operation import Operation
from cri_shim.activity.peer import Peer
from cri_shim.activity.subject import Subject


@dataclass(slots=True)
class Caller:
    """One call. `operation` is the last one that it waited for; it may continue after the call.

    `peer` is the process that calls, if the socket tells it.

    `subject` is the object that the request names by its id. `operation` tells more of it.

    `id` is the id of the request; `began` is of the monotonic clock. `traceparent` and `tracestate`
    are the client's (W3C Trace Context), "" without one.
    """

    verb: str = ""
    id: str = ""
    traceparent: str = ""
    tracestate: str = ""
    operation: Operation | None = None
    subject: Subject | None = None
    peer: Peer | None = None
    began: float = field(default_factory=time.monotonic)
    span: object = None  # of the tracing

    def object(self) -> Subject | None:
        """Return the object of the call, as far as it is known by now."""
        return self.subject if self.operation is None else self.operation.subject

    def outcome(self) -> str:
        """Return what becomes of the work when the caller gives up."""
        operation = self.operation
        if operation is None:
            return ""
        if operation.abandoned or not operation.open:
            return "; the work ends with it"
        return f"; the work continues: {operation.waits_for or operation.verb}"


_current: ContextVar[Caller | None] = ContextVar("caller", default=None)


def current() -> Caller | None:
    """Return the call that this task serves; None in work that belongs to the daemon."""
    return _current.get()


def enter(call: Caller | None) -> None:
    """Let `call` be the one that this context serves from now on."""
    _current.set(call)
