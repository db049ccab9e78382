"""Resumable: a retry joins the work in hand, or collects what its caller did not wait for."""

import asyncio

import pytest

from cri_shim.aio.resumable import Resumable
from cri_shim.errors import AlreadyExists, ToolFailed, Unavailable


class Work:
    """Counts its starts, and ends when the test sets an event."""

    def __init__(self) -> None:
        self.starts = 0
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.starts += 1
        await self.go.wait()
        if self.error:
            raise self.error
        return f"id{self.starts}"


def always(_: str) -> bool:
    return True


async def test_equal_requests_at_once_are_one_piece_of_work() -> None:
    handover, work = Resumable[str, str, str]("test"), Work()
    calls = [asyncio.create_task(handover.do("k", "r", work, always)) for _ in range(3)]
    await asyncio.sleep(0)
    work.go.set()
    assert await asyncio.gather(*calls) == ["id1"] * 3
    assert work.starts == 1


async def test_a_different_request_meanwhile_is_refused() -> None:
    handover, work = Resumable[str, str, str]("test"), Work()
    first = asyncio.create_task(handover.do("k", "r", work, always))
    await asyncio.sleep(0)
    with pytest.raises(AlreadyExists, match="different configuration"):
        await handover.do("k", "other", work, always)
    work.go.set()
    await first


async def test_the_work_outlives_its_caller_and_a_retry_gets_the_result() -> None:
    handover, work = Resumable[str, str, str]("test"), Work()
    first = asyncio.create_task(handover.do("k", "r", work, always))
    await asyncio.sleep(0)
    first.cancel()
    work.go.set()
    await asyncio.wait([first])
    assert handover.under_way("k")
    assert await handover.do("k", "r", work, always) == "id1"
    assert not handover.under_way("k")


async def test_an_outdated_result_is_made_again() -> None:
    handover, work = Resumable[str, str, str]("test"), Work()
    first = asyncio.create_task(handover.do("k", "r", work, always))
    await asyncio.sleep(0)
    first.cancel()
    work.go.set()
    await asyncio.sleep(0.01)
    assert await handover.do("k", "r", work, lambda _: False) == "id2"


async def test_a_failure_is_raised_and_frees_the_key() -> None:
    handover, work = Resumable[str, str, str]("test"), Work()
    work.error = ToolFailed("no")
    work.go.set()
    with pytest.raises(ToolFailed):
        await handover.do("k", "r", work, always)
    work.error = None
    assert await handover.do("k", "r", work, always) == "id2"


async def test_drain_waits_and_then_cancels() -> None:
    handover, work = Resumable[str, str, str]("test"), Work()
    call = asyncio.create_task(handover.do("k", "r", work, always))
    await asyncio.sleep(0)
    await handover.drain(0.01)
    with pytest.raises(Unavailable, match="test k"):
        await call
