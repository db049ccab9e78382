"""One lock for each key."""

import asyncio

import pytest

from cri_shim.aio.keyed_lock import KeyedLock


async def test_one_key_is_held_by_one_at_a_time_in_order() -> None:
    locks, order = KeyedLock(), list[str]()

    async def work(name: str) -> None:
        async with locks("pod"):
            order.append(f"{name} in")
            await asyncio.sleep(0)
            order.append(f"{name} out")

    await asyncio.gather(work("a"), work("b"), work("c"))
    assert order == ["a in", "a out", "b in", "b out", "c in", "c out"]


async def test_other_keys_do_not_wait() -> None:
    locks = KeyedLock()
    async with locks("a"), asyncio.timeout(5), locks("b"):
        assert set(locks._locks) == {"a", "b"}


async def test_an_unused_lock_is_dropped() -> None:
    locks = KeyedLock()

    async def work() -> None:
        async with locks("a"):
            await asyncio.sleep(0)

    await asyncio.gather(work(), work())
    assert locks._locks == {}


async def test_a_cancelled_waiter_does_not_block_the_others() -> None:
    locks = KeyedLock()

    async def work() -> None:
        async with locks("a"):
            pass

    async with locks("a"):
        waiting, other = asyncio.create_task(work()), asyncio.create_task(work())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not other.done()
    await other
    assert locks._locks == {}


async def test_an_exception_releases_the_lock() -> None:
    locks = KeyedLock()
    with pytest.raises(KeyError):
        async with locks("a"):
            raise KeyError
    assert locks._locks == {}
