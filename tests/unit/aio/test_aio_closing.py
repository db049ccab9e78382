"""What was opened is closed in reverse, whatever fails, and every error has its object's name."""

import asyncio

import pytest

from cri_shim.aio.closing import Closing


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
        "closing the watch: it was cut off",
        "closing the lock: no lock",
    ]
