"""Equal work is done once."""

import asyncio

import pytest

from cri_shim.aio.singleflight import SingleFlight
from cri_shim.errors import ToolFailed, Unavailable


class Work:
    """Counts its starts, and ends when the test sets an event."""

    def __init__(self) -> None:
        self.starts = 0
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.starts += 1
        await self.go.wait()
        if self.error:
            raise self.error
        return self.starts


async def test_callers_at_once_share_one_piece_of_work() -> None:
    flights, work = SingleFlight[str, int]("pull"), Work()
    calls = [asyncio.create_task(flights.do("a", work)) for _ in range(3)]
    await asyncio.sleep(0)
    under_way = flights.in_flight("a")
    work.go.set()
    assert await asyncio.gather(*calls) == [1, 1, 1]
    assert under_way
    assert not flights.in_flight("a")


async def test_another_key_is_other_work() -> None:
    flights, work = SingleFlight[str, int]("pull"), Work()
    work.go.set()
    await asyncio.gather(flights.do("a", work), flights.do("b", work))
    assert work.starts == 2


async def test_after_the_end_the_work_is_done_again() -> None:
    flights, work = SingleFlight[str, int]("pull"), Work()
    work.go.set()
    assert [await flights.do("a", work), await flights.do("a", work)] == [1, 2]


async def test_a_failure_reaches_all_callers_and_the_next_call_starts_anew() -> None:
    flights, work = SingleFlight[str, int]("pull"), Work()
    work.error = ToolFailed("no")
    calls = [asyncio.create_task(flights.do("a", work)) for _ in range(2)]
    work.go.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    work.error = None
    assert results == [work.error or results[0]] * 2
    assert await flights.do("a", work) == 2


async def test_the_work_of_a_cancelled_caller_continues_for_the_next_one() -> None:
    flights, work = SingleFlight[str, int]("pull"), Work()
    call = asyncio.create_task(flights.do("a", work))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    retry = asyncio.create_task(flights.do("a", work))
    await asyncio.sleep(0)
    work.go.set()
    assert await retry == 1
    assert work.starts == 1


async def test_a_failure_without_waiters_is_not_reported_as_lost() -> None:
    lost: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    flights, work = SingleFlight[str, int]("pull"), Work()
    work.error = ToolFailed("no")
    call = asyncio.create_task(flights.do("a", work))
    await asyncio.sleep(0)
    call.cancel()
    work.go.set()
    await flights.drain(5)
    await asyncio.gather(call, return_exceptions=True)
    assert lost == []
    assert not flights.in_flight("a")


async def test_draining_lets_work_end_in_time() -> None:
    flights, work = SingleFlight[str, int]("pull"), Work()
    call = asyncio.create_task(flights.do("a", work))
    await asyncio.sleep(0)
    work.go.set()
    await flights.drain(5)
    assert await call == 1


async def test_draining_cancels_late_work_and_its_callers_get_unavailable() -> None:
    flights, work = SingleFlight[str, int]("pull"), Work()
    call = asyncio.create_task(flights.do("a", work))
    await asyncio.sleep(0)
    await flights.drain(0)
    with pytest.raises(Unavailable, match="pull a"):
        await call
    assert not flights.in_flight("a")


async def test_draining_nothing_is_fine() -> None:
    await SingleFlight[str, int]("pull").drain(0)
