"""Undoing what was done."""

import asyncio
import logging

import pytest

from cri_shim.aio.rollback import Rollback


async def test_on_failure_undos_run_in_reverse_and_the_error_goes_on() -> None:
    undone: list[str] = []

    async def slowly() -> None:
        await asyncio.sleep(0)
        undone.append("second")

    with pytest.raises(KeyError, match="why"):
        async with Rollback("test") as rollback:
            rollback.push("first", lambda: undone.append("first"))
            rollback.push("second", slowly)
            raise KeyError("why")
    assert undone == ["second", "first"]


async def test_success_undoes_nothing() -> None:
    undone: list[str] = []
    async with Rollback("test") as rollback:
        rollback.push("first", lambda: undone.append("first"))
    assert undone == []


async def test_a_disarmed_rollback_undoes_nothing() -> None:
    undone: list[str] = []
    with pytest.raises(KeyError):
        async with Rollback("test") as rollback:
            rollback.push("first", lambda: undone.append("first"))
            rollback.disarm()
            raise KeyError
    assert undone == []


async def test_every_undo_runs_though_one_fails_and_that_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    undone: list[str] = []

    def fails() -> None:
        raise OSError("no way")

    async def is_cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(KeyError), caplog.at_level(logging.ERROR):
        async with Rollback("run pod 4f") as rollback:
            rollback.push("first", lambda: undone.append("first"))
            rollback.push("network", fails)
            rollback.push("mounts", is_cancelled)
            raise KeyError
    assert undone == ["first"]
    assert rollback.failed == ["mounts", "network"]
    assert "run pod 4f: undoing network failed: no way" in caplog.text


async def test_a_cancellation_while_undoing_waits_until_all_is_undone() -> None:
    undone: list[str] = []
    undoing, go = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        undoing.set()
        await go.wait()
        undone.append("slow")

    async def work() -> None:
        async with Rollback("test") as rollback:
            rollback.push("first", lambda: undone.append("first"))
            rollback.push("slow", slowly)
            raise KeyError

    task = asyncio.create_task(work())
    await undoing.wait()
    task.cancel()
    await asyncio.sleep(0)
    waited = not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waited
    assert undone == ["slow", "first"]


async def test_a_cancelled_block_is_undone() -> None:
    undone: list[str] = []
    inside = asyncio.Event()

    async def work() -> None:
        async with Rollback("test") as rollback:
            rollback.push("first", lambda: undone.append("first"))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert undone == ["first"]
