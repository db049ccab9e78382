"""One stage of an operation: what is waited for, since when, and its limit."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING

from cri_shim.activity import observing
from cri_shim.activity import program as programs

if TYPE_CHECKING:
    from cri_shim.activity.operation import Operation

FIRST_TOLD_S, THEN_TOLD_S = 5.0, 30.0  # a step that lasts as long is told; then after twice that

log = logging.getLogger("cri_shim.activity")


class Step:
    """A context manager: the step lasts as long as its block.

    `name` is short, for a list of parts ("CNI flaky ADD"); `waits_for` is what an operator must
    know ("CNI plugin flaky, ADD of network n"), `name` if it is "", or a function that returns it.
    `limit` is in seconds.

    `expected`: a caller has asked for this wait, such as the grace period of a stop: it is told at
    INFO, not as a warning. `program`: it waits for a program, whose run is then no step of its own.
    `progress` returns a number; while it changes, the step does not count as waiting. `on` is
    another operation, which this one waits for. `counted` is what metrics count it as:
    ("cni", PLUGIN, VERB) or ("oci", RUNTIME, VERB). Its block sets `failed` for a program that
    failed without an exception.
    """

    __slots__ = (
        "_seen", "_waits_for", "began", "counted", "ended", "expected", "failed", "inner", "limit",
        "moved", "name", "on", "open_inside", "operation", "outer", "pid", "program", "progress",
        "span", "tell_at", "told",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        waits_for: "str | Callable[[], str]" = "",
        *,
        limit: float | None = None,
        expected: bool = False,
        program: bool = False,
        progress: Callable[[], int] | None = None,
        on: "Operation | None" = None,
        counted: tuple[str, str, str] | None = None,
    ) -> None:
        self.name, self._waits_for = name, waits_for
        self.limit, self.expected, self.program = limit, expected, program
        self.progress, self._seen = progress, -1
        self.on = on
        self.counted = counted
        self.failed = False
        self.span: object = None  # of the tracing
        self.pid = 0  # of the program that it waits for, while that runs
        self.outer: Step | None = None
        self.operation: Operation | None = None
        self.began = self.moved = self.ended = 0.0  # of the monotonic clock
        self.inner = False  # a step has run inside of it
        self.open_inside = 0  # steps that run inside of it now
        self.tell_at = FIRST_TOLD_S
        self.told = False

    def __enter__(self) -> "Step":
        self.outer = outer = _current.get()
        _current.set(self)
        self.began = self.moved = time.monotonic()
        if outer is not None and (operation := outer.operation) is not None and operation.open:
            self.operation = operation
            outer.inner = True
            outer.open_inside += 1
            operation.steps.append(self)
        for observer in observing.observers:
            observer.step_began(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self.operation is not None and kind is asyncio.CancelledError:
            self.operation.cancelled_in(self)
        self.ended, self.pid = time.monotonic(), 0
        _current.set(self.outer)
        if self.operation is not None and self.outer is not None:
            self.outer.open_inside -= 1
            self.operation.finished(self)
        if observing.observers:
            self._observed(error)
        self.failed = self.failed or error is not None
        if self.told or log.isEnabledFor(logging.DEBUG):
            self._tell_end()

    @property
    def waits_for(self) -> str:
        """Return what it waits for; for another operation also what that waits for now."""
        if self.on is None:
            return self.own_text
        inner = self.on.innermost()
        return f"{self.on}, {inner[-1].own_text}" if inner else str(self.on)

    @property
    def own_text(self) -> str:
        """Return what it waits for without what that waits for."""
        if self.on is not None:
            return str(self.on)
        text = self._waits_for if isinstance(self._waits_for, str) else self._waits_for()
        return (text or self.name) + (programs.innermost(self.pid) if self.pid else "")

    @property
    def fixed_text(self) -> str:
        """Return what it waited for, without what was only true while it waited."""
        if self.on is not None:
            return str(self.on)
        return self._waits_for if isinstance(self._waits_for, str) else ""

    def lasted(self, now: float) -> str:
        """Return how long it has lasted, and its limit: `5 s of 120 s`."""
        of = "" if self.limit is None else f" of {self.limit:.0f} s"
        return f"{max(0.0, now - self.began):.0f} s{of}"

    def is_due(self, now: float) -> bool:
        """Whether it must be told now that it takes long: once for each threshold."""
        if self.progress is not None and (seen := self.progress()) != self._seen:
            self._seen, self.moved = seen, now
        if self.on is not None or self.open_inside or now - self.moved < self.tell_at:
            return False
        self.tell_at = THEN_TOLD_S if self.tell_at == FIRST_TOLD_S else self.tell_at * 2
        self.told = True
        return True

    def _observed(self, error: BaseException | None) -> None:
        outcome = observing.FAILED if self.failed else observing.outcome_of(error)
        for observer in observing.observers:
            observer.step_ended(self, outcome)

    def _tell_end(self) -> None:
        spent = self.ended - self.began
        subject = None if self.operation is None else self.operation.subject
        if self.told:
            how = "failed" if self.failed else "ended"
            log.info("%s: %s %s after %.0f s", subject, self.waits_for, how, spent)
        else:
            of = "" if subject is None else f"{subject.short}: "
            how = ", failed" if self.failed else ""
            log.debug("%s%s %.0f ms%s", of, self.name, spent * 1000, how)


_current: ContextVar[Step | None] = ContextVar("step", default=None)


def current() -> Step | None:
    """Return the innermost step that this task is in."""
    return _current.get()


def current_operation() -> "Operation | None":
    """Return the operation that this task's steps belong to."""
    step = _current.get()
    return None if step is None else step.operation


def enter(step: Step | None) -> None:
    """Let `step` be the current one of this context from now on."""
    _current.set(step)
