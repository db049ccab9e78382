"""Rounds: every source gets a turn, and so does the loop."""

import asyncio
import time

import pytest

from cri_shim.aio import rounds as module
from cri_shim.aio.rounds import Rounds


class Source:
    """Work that takes a millisecond a turn, so many times."""

    def __init__(self, turns: int, log: list[str] | None = None, name: str = "") -> None:
        self.left = turns
        self.log = log if log is not None else []
        self.name = name
        self.done = asyncio.Event()

    def __call__(self) -> bool:
        self.log.append(self.name)
        until = time.monotonic() + 0.001
        while time.monotonic() < until:
            pass
        self.left -= 1
        if not self.left:
            self.done.set()
        return self.left > 0


async def test_a_little_work_is_done_at_once() -> None:
    source = Source(1)
    Rounds().add(source)
    assert source.left == 0


async def test_other_tasks_run_between_slices() -> None:
    rounds, source, turns = Rounds(), Source(50), 0
    rounds.add(source)
    async with asyncio.timeout(5):
        while not source.done.is_set():
            await asyncio.sleep(0)
            turns += 1
    assert turns > 10


async def test_sources_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE_S", 0.0)
    rounds, log = Rounds(), list[str]()
    sources = [Source(3, log, name) for name in "abc"]
    for source in sources:
        rounds.add(source)
    async with asyncio.timeout(5):
        for source in sources:
            await source.done.wait()
    assert "".join(log) == "aabcabcbc"  # the first came when there was no other


async def test_one_iteration_of_the_loop_has_one_slice_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SLICE_S", 0.002)
    rounds, log = Rounds(), list[str]()
    sources = [Source(1, log) for _ in range(10)]
    for source in sources:
        rounds.add(source)
    assert 1 <= len(log) <= 3
    async with asyncio.timeout(5):
        await sources[-1].done.wait()


async def test_work_may_add_work() -> None:
    rounds, inner = Rounds(), Source(1)

    def outer() -> bool:
        rounds.add(inner)
        return False

    rounds.add(outer)
    async with asyncio.timeout(5):
        await inner.done.wait()


async def test_work_that_raises_does_not_stop_the_others() -> None:
    rounds, good, failures = Rounds(), Source(1), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, what: failures.append(what))

    def bad() -> bool:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        rounds.add(bad)
    rounds.add(good)
    async with asyncio.timeout(5):
        await good.done.wait()
