"""Flights that end with their last waiter."""

import asyncio

import pytest

from cri_shim.aio.singleflight import SingleFlight


class Work:
    def __init__(self) -> None:
        self.started = 0
        self.undone = 0
        self.go = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.started += 1
        number = self.started
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            await self.may_end.wait()
            self.undone += 1
            raise
        return number


async def test_the_work_ends_with_its_last_caller() -> None:
    flights: SingleFlight[str, int] = SingleFlight("test", needs_waiters=True)
    work = Work()
    work.may_end.set()
    callers = [asyncio.create_task(flights.do("k", work)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    callers[0].cancel()
    await asyncio.wait(callers[:1])
    still = flights.in_flight("k")
    callers[1].cancel()
    await asyncio.wait(callers)
    await flights.drain(1)

    assert still
    assert (work.started, work.undone) == (1, 1)


async def test_a_caller_during_the_cleanup_of_abandoned_work_starts_anew() -> None:
    flights: SingleFlight[str, int] = SingleFlight("test", needs_waiters=True)
    work = Work()
    first = asyncio.create_task(flights.do("k", work))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])

    second = asyncio.create_task(flights.do("k", work))
    await asyncio.sleep(0)
    work.may_end.set()
    work.go.set()

    assert await second == 2
    await flights.drain(1)
    assert work.undone == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_without_the_option_the_work_continues() -> None:
    flights: SingleFlight[str, int] = SingleFlight("test")
    work = Work()
    caller = asyncio.create_task(flights.do("k", work))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])

    assert flights.in_flight("k")
    work.go.set()
    assert await flights.do("k", work) == 1
