"""One call: its id, the operation that it waits for, and its line in the log.

A call that its caller gives up is told as such, with what becomes of the work. A slow call is told
with the steps that took longest.
"""

import logging
import re
import time
from typing import Any

from google.protobuf.message import Message

from cri_shim.activity import caller, observing
from cri_shim.activity.error_names import Named
from cri_shim.activity.request import request_id
from cri_shim.rpc import metadata
from cri_shim.rpc.log_subject import describe, outcome, subject_of

log = logging.getLogger("cri_shim.rpc")

SLOW_S = 1.0  # a call that takes longer gets its parts
# An answer that is on its way before the deadline reaches the caller, and its logs and events.
EARLY_S, WITH_TIME_S = 0.1, 1.0

_READS = re.compile(
    r"(List|Stream).*|.*(Status|Stats)|Version|Info|Check|Config|Plan|WatchPulls|ImageFsInfo|RuntimeConfig"
    r"|Timeline|SlowestPods|Load"
)
_TOLD_ELSEWHERE = {"ExecSync"}  # see exec_failures: probes would fill the log

Context = Any  # grpc.aio.ServicerContext: its published types do not fit the real coroutines


class Call:
    def __init__(self, name: str, context: Context, named: Named | None) -> None:
        """Begin a call in this task. `named` finds the name of an object's id."""
        received = metadata.known(context.invocation_metadata())
        self.name, self.id = name, received.get(metadata.REQUEST_ID) or metadata.new_id()
        request_id.set(self.id)
        context.set_trailing_metadata(self.metadata)
        self.level = logging.INFO
        if _READS.fullmatch(name) or name in _TOLD_ELSEWHERE:
            self.level = logging.DEBUG
        self._context, self._named = context, named
        self._limit: float | None = context.time_remaining()
        self._request: Message | None = None
        self._subject = self._made = ""
        self.streaming = False  # a response was sent: the caller ends the call when it has enough
        self.caller = caller.Caller(
            name,
            self.id,
            received.get(metadata.TRACE_PARENT, ""),
            received.get(metadata.TRACE_STATE, ""),
        )
        caller.enter(self.caller)
        for observer in observing.observers:
            observer.call_began(self.caller)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata that the client gets with the status."""
        return ((metadata.REQUEST_ID, self.id),)

    def parsed(self, request: Message) -> None:
        """Note the object now, if the call will be logged: after it, the object may be gone."""
        self._request = request
        if log.isEnabledFor(self.level):
            self._subject = describe(request, self._named)
            self.caller.subject = subject_of(request, self._named)

    def answered(self, response: Message) -> None:
        if log.isEnabledFor(self.level):
            self._made = outcome(response)

    def time_to_answer(self) -> float | None:
        """Return the seconds after which it is answered that it takes longer; None: no limit."""
        if self._limit is None or self._limit < WITH_TIME_S:
            return None
        return self._limit - EARLY_S

    def succeeded(self) -> None:
        self._ended("OK")
        self._line(self.level, f"OK{self._made}{self._parts()}")

    def failed(self, code: str, text: str, *, usual: bool) -> None:
        """`code` is gRPC's. `usual`: the error answers a question, or is told elsewhere."""
        self._ended(code)
        usual = usual or self.name in _TOLD_ELSEWHERE
        level = self.level if usual else logging.WARNING
        self._line(level, f"{code}: {text}{self._parts()}")

    def broke(self, code: str, text: str) -> None:
        """Log an error that is not the caller's, with its traceback."""
        self._ended(code)
        self._line(logging.ERROR, f"{code}: {text}", trace=True)

    def late(self) -> str:
        """Log that the deadline is over; return the error for the caller."""
        self._ended("DEADLINE_EXCEEDED")
        self._gave_up()
        operation = self.caller.operation
        if operation is None:
            return f"{self.name} did not end within {self._limit:g} s, the caller's deadline"
        ends = "ends with this call" if operation.abandoned or not operation.open else "continues"
        return f"{operation}: {operation.progress()}; the work {ends}"

    def cancelled(self, *, stopping: bool) -> None:
        """Log that the call ended without an answer."""
        self._ended("CANCELLED")
        if stopping:
            self._line(self.level, "ended by the shutdown of the daemon")
        elif self.streaming:
            self._line(self.level, f"ended by the caller{self._parts()}")
        else:
            self._gave_up()

    def _ended(self, code: str) -> None:
        for observer in observing.observers:
            observer.call_ended(self.caller, code)

    def _gave_up(self) -> None:
        # gRPC does not tell a cancelled call from a closed connection.
        spent = time.monotonic() - self.caller.began
        past = self._limit is not None and spent > self._limit - 2 * EARLY_S
        why = "its deadline" if past else "it cancelled the call, or its connection closed"
        after = self._limit if past and self._limit is not None else spent
        text = f"the caller gave up after {round(after, 1):g} s ({why}){self.caller.outcome()}"
        self._line(logging.WARNING if past and self.level >= logging.INFO else self.level, text)

    def _parts(self) -> str:
        operation, slow = self.caller.operation, time.monotonic() - self.caller.began > SLOW_S
        parts = operation.longest_parts() if slow and operation is not None else ""
        return f" ({parts})" if parts else ""

    def _line(self, level: int, result: str, *, trace: bool = False) -> None:
        if log.isEnabledFor(level):
            if not self._subject and self._request is not None:
                self._subject = describe(self._request, self._named)
            spent = (time.monotonic() - self.caller.began) * 1000
            text = "call %s%s %.1f ms: %s"
            log.log(level, text, self.name, self._subject, spent, result, exc_info=trace)
