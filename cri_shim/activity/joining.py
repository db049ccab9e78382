"""Runs work as a task within an operation, and lets others wait for it."""

import asyncio
import contextvars
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from cri_shim.activity import caller, step
from cri_shim.activity.operation import Operation
from cri_shim.activity.operations import Operations
from cri_shim.activity.step import Step

T = TypeVar("T")


def task_of(
    operations: Operations, operation: Operation, work: Coroutine[Any, Any, T], name: str
) -> "asyncio.Task[T]":
    """Run `work` as a task: its steps are those of `operation`, which ends with it."""
    context = contextvars.copy_context()
    context.run(_enter, operation)
    task = asyncio.create_task(work, name=name, context=context)
    task.add_done_callback(lambda ended: operations.end(operation, _error_of(ended)))
    return task


def _error_of(task: "asyncio.Task[Any]") -> BaseException | None:
    """Return what an ended task raised; asking marks it as retrieved."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def _enter(operation: Operation) -> None:
    step.enter(operation.root)
    caller.enter(None)  # the operation belongs to the daemon; its caller may give up


@contextmanager
def waiting_for(operation: Operation | None) -> Iterator[None]:
    """In the block, the current operation waits for another one; or a client's call does."""
    now = step.current()
    if operation is None:
        yield
    elif now is not None and now.operation is not None and now.operation.open:
        with Step(f"{operation.verb} {operation.subject.name}", on=operation):
            yield
    else:
        if (call := caller.current()) is not None:
            call.operation = operation
        yield
