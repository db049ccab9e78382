"""Retrier: what must succeed is tried until it does."""

import asyncio

import pytest

from cri_shim.activity import Subject
from cri_shim.aio import retry
from cri_shim.aio.retry import Retrier
from cri_shim.errors import ToolFailed


async def test_an_effort_is_repeated_until_it_succeeds_and_is_visible(monkeypatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.001)
    tries: list[int] = []
    seen: list[dict[str, str]] = []
    done = asyncio.Event()
    retrier = Retrier()

    async def work() -> None:
        tries.append(1)
        seen.append(retrier.pending())
        if len(tries) < 3:
            raise ToolFailed("busy")
        done.set()

    retrier.add("remove x", work, now=True)
    retrier.add("remove x", work, now=True)
    await asyncio.wait_for(done.wait(), 5)
    await asyncio.sleep(0)
    assert len(tries) == 3
    assert seen[1] == {"remove x": "busy"}
    assert retrier.pending() == {}


async def test_stop_ends_every_effort() -> None:
    retrier = Retrier()

    async def work() -> None:
        raise ToolFailed("never")

    retrier.add("remove x", work, now=True)
    await asyncio.sleep(0)
    await retrier.stop()
    assert retrier.pending() == {}


async def test_a_failure_is_raised_and_retried_in_the_background(monkeypatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.001)
    retrier, tries, done = Retrier(), [], asyncio.Event()

    async def work() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ToolFailed("busy")
        done.set()

    with pytest.raises(ToolFailed, match="busy"):
        await retrier.ensure("remove x", work)
    await asyncio.wait_for(done.wait(), 5)


async def test_an_effort_shows_its_tries_its_error_and_the_next_try(monkeypatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 30.0)
    retrier = Retrier()

    async def work() -> None:
        raise ToolFailed("busy")

    with pytest.raises(ToolFailed):
        await retrier.ensure("remove x", work, Subject("pod", "a/b", "1"))
    await asyncio.sleep(0)
    (effort,) = retrier.efforts()

    assert (effort.tries, effort.subject.id, effort.error) == (1, "1", "busy")
    assert effort.next in ("next try in 30 s: busy", "next try in 29 s: busy")
    assert not await retrier.settled(0.0)
    await retrier.stop()
    assert await retrier.settled(0.0)


async def test_settled_waits_for_the_last_work() -> None:
    retrier, done = Retrier(), asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0)
        done.set()

    retrier.add("remove x", work, now=True)

    assert await retrier.settled(5.0)
    assert done.is_set()
