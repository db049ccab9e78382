"""Observers of calls, operations and steps: the metrics and the traces.

Without an observer this costs nothing. An observer is called at once, in the task that begins or
ends the step. It must neither wait nor raise. Observers are those of the process: programs that
open several runtimes have none.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cri_shim.activity.caller import Caller
    from cri_shim.activity.operation import Operation
    from cri_shim.activity.step import Step

OK, FAILED, CANCELLED = "ok", "failed", "cancelled"
OUTCOMES = (OK, FAILED, CANCELLED)


class Observer(Protocol):
    def call_began(self, call: "Caller") -> None:
        """The call of a client has begun."""

    def call_ended(self, call: "Caller", code: str) -> None:
        """It has ended with this gRPC code; CANCELLED if the client gave up."""

    def operation_began(self, operation: "Operation") -> None:
        """The operation has begun; the current call, if any, has started it."""

    def operation_ended(self, operation: "Operation", error: BaseException | None) -> None:
        """The operation has ended, with `error` if it failed."""

    def step_began(self, step: "Step") -> None:
        """The step has begun in this task."""

    def step_ended(self, step: "Step", outcome: str) -> None:
        """The step has ended; `outcome` is one of OUTCOMES."""


observers: tuple[Observer, ...] = ()


def observe(observer: Observer) -> Callable[[], None]:
    """Call `observer` from now on, until the returned function is called."""
    global observers
    observers = (*observers, observer)

    def stop() -> None:
        global observers
        observers = tuple(each for each in observers if each is not observer)

    return stop


def outcome_of(error: BaseException | None) -> str:
    """Return how work that raised `error` has ended."""
    if error is None:
        return OK
    return CANCELLED if isinstance(error, asyncio.CancelledError) else FAILED
