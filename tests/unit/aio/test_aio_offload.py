"""Cancellation never interrupts work that has begun."""

import asyncio
import threading

import pytest

from cri_shim.aio.offload import finish, join, offload
from cri_shim.errors import Unavailable


async def begun(task: "asyncio.Task[object]", started: threading.Event) -> None:
    """Let `task` run until its thread has begun."""
    await asyncio.sleep(0)
    await asyncio.to_thread(started.wait, 5)
    assert not task.done()


async def test_a_call_in_a_thread_gives_its_result() -> None:
    assert await offload(divmod, 7, 2) == (3, 1)


async def test_an_exception_of_the_call_is_raised_in_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        await offload(divmod, 1, 0)


async def test_a_cancelled_caller_waits_for_the_end_of_the_call() -> None:
    started, go, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        go.wait(5)
        done.set()

    task: asyncio.Task[object] = asyncio.create_task(offload(work))
    await begun(task, started)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    waited = not task.done() and not done.is_set()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waited
    assert done.is_set()


async def test_a_failure_behind_a_cancellation_is_not_reported_as_lost() -> None:
    lost: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()
        raise RuntimeError("late")

    task = asyncio.create_task(finish(work()))
    await asyncio.sleep(0)
    task.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert lost == []


async def test_a_timeout_still_ends_as_a_timeout() -> None:
    go = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, go.set)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await finish(go.wait())
    assert go.is_set()


async def test_a_cancelled_caller_that_joined_leaves_the_work_running() -> None:
    go = asyncio.Event()
    work = asyncio.create_task(go.wait())
    caller = asyncio.create_task(join(work))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go.set()
    assert await work


async def test_work_ended_by_a_shutdown_is_unavailable_for_joined_callers() -> None:
    work = asyncio.create_task(asyncio.Event().wait(), name="pull busybox")
    caller = asyncio.create_task(join(work))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(Unavailable, match="pull busybox"):
        await caller
