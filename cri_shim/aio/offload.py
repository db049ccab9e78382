"""Blocking calls in threads, and steps that a cancellation must not interrupt.

Rule: an action outside of the process that has begun is completed before CancelledError continues.
Otherwise an undo would run before the action that it undoes.
"""

import asyncio
import contextvars
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from typing import ParamSpec, TypeVar

from cri_shim.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


async def join(task: "asyncio.Task[T]") -> T:
    """Await a task that others share: a cancellation of the caller leaves the task running.

    If the *task* is cancelled, which only a shutdown does, Unavailable is raised: CancelledError
    would mean that the caller was cancelled itself.
    """
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError as e:
        me = asyncio.current_task()
        if task.cancelled() and me is not None and not me.cancelling():
            raise Unavailable(f"{task.get_name()}: ended by the shutdown of the daemon") from e
        raise


async def offload(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `call` in a thread; return only when it has ended, even if this task is cancelled."""
    work = functools.partial(contextvars.copy_context().run, call, *args, **kwargs)
    return await finish(asyncio.get_running_loop().run_in_executor(None, work))


@asynccontextmanager
async def opened(blocking: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave a context manager that blocks, in threads."""
    with ExitStack() as left:  # after a cancellation: it may have been entered by then
        entered = await offload(left.enter_context, blocking)
        try:
            yield entered
        finally:
            await offload(left.close)


async def finish(work: Awaitable[T]) -> T:
    """Await `work` to its end; a cancellation meanwhile is delayed and raised after it."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        waiter = loop.create_future()
        task.add_done_callback(functools.partial(_wake, waiter))
        try:
            await waiter
        except asyncio.CancelledError as e:
            cancelled = e
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # marks it as retrieved: the caller gets the cancellation
        raise cancelled
    return task.result()


def _wake(waiter: "asyncio.Future[None]", _: object) -> None:
    if not waiter.done():
        waiter.set_result(None)
