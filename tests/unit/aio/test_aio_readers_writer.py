"""ADDs together, GC alone."""

import asyncio

import pytest

from cri_shim.aio.readers_writer import ReadersWriterLock
from cri_shim.errors import TimedOut


async def test_readers_share_the_lock():
    gate = ReadersWriterLock()

    async with gate.shared(), gate.shared():
        pass


async def test_a_writer_waits_for_readers_and_blocks_later_ones():
    gate, order = ReadersWriterLock(), []

    async def alone() -> None:
        async with gate.alone(5):
            order.append("alone")

    async def shared() -> None:
        async with gate.shared():
            order.append("shared")

    async with gate.shared():
        tasks = [asyncio.create_task(alone()), asyncio.create_task(shared())]
        await asyncio.sleep(0)
        order.append("first is out")
    await asyncio.gather(*tasks)

    assert order == ["first is out", "alone", "shared"]


async def test_a_writer_that_times_out_unblocks_readers():
    gate = ReadersWriterLock()

    async with gate.shared():
        with pytest.raises(TimedOut, match="1 others"):
            async with gate.alone(0.01):
                pass
        async with gate.shared():
            pass
