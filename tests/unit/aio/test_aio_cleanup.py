"""Every step is done, whatever the others do, and every error has the name of its step."""

import asyncio

import pytest

from cri_shim.aio.cleanup import Closing, raise_all, release_all, run_all
from cri_shim.errors import ToolFailed


async def test_everything_is_closed_in_reverse_and_once() -> None:
    closing, closed = Closing(), list[str]()

    async def later() -> None:
        await asyncio.sleep(0)
        closed.append("coroutine")

    closing.add("first", lambda: closed.append("function"))
    closing.add("second", later)
    assert await closing.close() is None
    assert await closing.close() is None
    assert closed == ["coroutine", "function"]


async def test_the_last_error_is_returned_and_all_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    closing, closed = Closing(), list[str]()

    def fail(text: str) -> None:
        raise OSError(text)

    async def cut_off() -> None:
        raise asyncio.CancelledError

    closing.add("the lock", lambda: fail("no lock"))
    closing.add("the watch", cut_off)
    closing.add("the store", lambda: closed.append("store"))
    closing.add("the network", lambda: fail("no network"))

    problem = await closing.close()

    assert str(problem) == "no lock"
    assert closed == ["store"]
    assert [record.getMessage() for record in caplog.records] == [
        "closing the network: no network",
        "closing the watch: closing the watch was cut off",
        "closing the lock: no lock",
    ]


async def test_a_failing_step_is_named_and_the_others_are_still_done() -> None:
    done: list[str] = []

    async def busy() -> None:
        raise OSError("busy")

    steps = [
        ("mount", busy),
        ("process", lambda: done.append("process")),
        ("network", busy),
        ("directory", lambda: done.append("directory")),
    ]
    with pytest.raises(ToolFailed, match=r"removing x is not complete.*mount: busy; network: busy"):
        await release_all("removing x", steps)
    assert done == ["process", "directory"]


async def test_nothing_is_raised_when_all_succeed() -> None:
    await release_all("removing x", [("one", lambda: None)])


async def test_errors_of_unnamed_steps_are_unchanged() -> None:
    def fails() -> None:
        raise OSError("busy")

    with pytest.raises(ToolFailed, match=r"^pod x: busy; busy$") as caught:
        raise_all("pod x", await run_all([("", fails), ("", lambda: None), ("", fails)]))
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_cancellation_of_the_caller_is_no_error_of_a_step() -> None:
    done: list[str] = []
    inside = asyncio.Event()

    async def waits() -> None:
        inside.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(run_all([("wait", waits), ("next", lambda: done.append("next"))]))
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == []
