"""All operations of a runtime. While there are any, one timer looks for steps that take long."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cri_shim.activity import caller, observing, step
from cri_shim.activity.operation import Operation
from cri_shim.activity.request import request_id
from cri_shim.activity.step import Step
from cri_shim.activity.subject import Subject
from cri_shim.untrusted import one_line

SWEEP_S = 1.0
LONGEST_ERROR = 500  # characters of an error that is kept
MOST_SHOWN = 200  # operations in `info`: a node that hangs may have thousands


class Operations:
    """The operations in hand, in the order of their beginning."""

    def __init__(self) -> None:
        self._open: dict[Operation, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._followers: list[Callable[[Operation], None]] = []

    def follow(self, follower: Callable[[Operation], None]) -> None:
        """Call `follower` at the end of each operation, and every SWEEP_S while one is open.

        It runs on the loop and must not wait.
        """
        self._followers.append(follower)

    def __iter__(self) -> Iterator[Operation]:
        return iter(list(self._open))

    def begin(self, verb: str, subject: Subject) -> Operation:
        """Note a new operation. It lasts until `end`, which must be called in every case."""
        operation = Operation(verb, subject)
        self._open[operation] = None
        if self._timer is None:
            self._look_later()
        for observer in observing.observers:
            observer.operation_began(operation)
        return operation

    def end(self, operation: Operation, error: BaseException | None = None) -> None:
        """Note the end; `error` is what the work raised."""
        operation.open, operation.failure = False, _text_of(error)
        operation.root.ended = time.monotonic()
        self._open.pop(operation, None)
        for observer in observing.observers:
            observer.operation_ended(operation, error)
        for follower in self._followers:
            follower(operation)

    @contextmanager
    def doing(self, verb: str, subject: Subject) -> Iterator[Operation]:
        """In the block, this task's steps belong to a new operation."""
        outer = step.current()
        operation = self.begin(verb, subject)
        step.enter(operation.root)
        error: BaseException | None = None
        try:
            yield operation
        except BaseException as e:
            error = e
            raise
        finally:
            step.enter(outer)
            self.end(operation, error)

    @contextmanager
    def serving(self, verb: str, subject: Subject) -> Iterator[Operation]:
        """Like `doing`, for work that ends with the call of a client: the call waits for it."""
        with self.doing(verb, subject) as operation:
            if (call := caller.current()) is not None:
                call.operation = operation
            yield operation

    def on(self, id: str) -> list[Operation]:
        """Return the operations on the object of this id."""
        return [operation for operation in self._open if operation.subject.id == id]

    def waits_for(self, id: str) -> str:
        """Return `: in progress since ...: waiting for ...` for an object; "" if there is none."""
        return next((f": {operation.progress()}" for operation in self.on(id)), "")

    def facts(self) -> list[dict[str, Any]]:
        """Return the longest running operations, JSON-able."""
        return [operation.facts() for operation in list(self._open)[:MOST_SHOWN]]

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(SWEEP_S, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._open:
            return
        self._look_later()
        now = time.monotonic()
        for operation in self._open:
            for each in [*operation.steps, operation.root]:
                if each.is_due(now):
                    _tell(operation, each, now)
            for follower in self._followers:
                follower(operation)

    def close(self) -> None:
        """End the timer: the runtime is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _text_of(error: BaseException | None) -> str:
    if error is None:
        return ""
    if isinstance(error, asyncio.CancelledError):
        return "it was cancelled"
    return one_line(str(error) or type(error).__name__, LONGEST_ERROR)


def _tell(operation: Operation, late: Step, now: float) -> None:
    level = logging.INFO if late.expected else logging.WARNING
    what = "still running" if late is operation.root else f"still waiting for {late.waits_for}"
    mine = request_id.set(operation.request_id)  # the timer is of any operation
    step.log.log(
        level, "%s: %s (%s, %s)", operation.subject, what, operation.verb, late.lasted(now)
    )
    request_id.reset(mine)
