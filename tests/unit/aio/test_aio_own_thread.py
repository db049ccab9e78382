"""Long work in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from cri_shim.aio.own_thread import in_own_thread


async def test_the_result_or_exception_reaches_the_caller() -> None:
    assert await in_own_thread("long", lambda stopped: stopped()) is False

    def fail(_: Callable[[], bool]) -> None:
        raise OSError("its own")

    with pytest.raises(OSError, match="its own"):
        await in_own_thread("long", fail)


async def test_a_cancellation_ends_the_work_and_waits_for_that() -> None:
    running, ended = threading.Event(), threading.Event()

    def work(stopped: Callable[[], bool]) -> None:
        running.set()
        while not stopped():
            ended.wait(0.001)
        ended.set()
        raise OSError("nobody hears it")

    task = asyncio.create_task(in_own_thread("long", work))
    await asyncio.to_thread(running.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
