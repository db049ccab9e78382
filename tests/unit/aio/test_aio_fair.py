"""Long work on the loop lets others run."""

import asyncio

import pytest

from cri_shim.aio import fair
from cri_shim.aio.fair import Yielder


async def test_others_run_when_a_slice_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair, "SLICE_S", -1.0)
    other = asyncio.create_task(asyncio.sleep(0))
    mine = Yielder()
    await mine.taken()
    await mine.taken()
    assert other.done()


async def test_a_short_work_is_not_interrupted() -> None:
    other = asyncio.create_task(asyncio.sleep(0))
    await Yielder().taken()
    assert not other.done()
    await other
