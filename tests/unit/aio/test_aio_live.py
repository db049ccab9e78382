"""A replaced value: a call sees one version from its beginning to its end."""

import asyncio

from cri_shim.aio.live import Live


def test_without_a_call_the_newest_value_is_seen() -> None:
    live = Live("first")
    live.replace("second")
    assert (live.get(), live.newest) == ("second", "second")


async def test_a_call_sees_the_value_of_its_beginning() -> None:
    live = Live("first")
    begun, replaced = asyncio.Event(), asyncio.Event()

    async def work() -> str:
        return live.get()

    async def call() -> tuple[str, str]:
        live.enter()
        begun.set()
        await replaced.wait()
        return live.get(), await asyncio.create_task(work())

    early = asyncio.create_task(call())
    await begun.wait()
    live.replace("second")
    replaced.set()
    late = asyncio.create_task(call())
    assert await early == ("first", "first")
    assert await late == ("second", "second")
    assert live.get() == "second"


async def test_two_values_of_one_process_are_apart() -> None:
    one, other = Live(1), Live(2)

    async def call() -> tuple[int, int]:
        one.enter()
        one.replace(10)
        other.replace(20)
        return one.get(), other.get()

    assert await asyncio.create_task(call()) == (1, 20)
