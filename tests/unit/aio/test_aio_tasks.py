"""Background tasks are kept, their errors are logged, and none outlives its owner."""

import asyncio

import pytest

from cri_shim.aio.tasks import Tasks


async def test_an_error_is_logged_with_the_name_of_its_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails() -> None:
        raise OSError("no disk")

    tasks = Tasks()
    tasks.spawn("count layers", fails())
    await tasks.drain(5)
    await asyncio.sleep(0)
    assert [record.getMessage() for record in caplog.records] == ["count layers failed: no disk"]
    assert len(tasks) == 0


async def test_drain_waits_for_tasks_and_cancels_the_late_ones() -> None:
    ended: list[str] = []

    async def quick() -> None:
        await asyncio.sleep(0.001)
        ended.append("quick")

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("slow")

    tasks = Tasks()
    tasks.spawn("quick", quick())
    cancelled = tasks.spawn("slow", slow())
    await tasks.drain(0.1)
    assert ended == ["quick", "slow"]
    assert cancelled.cancelled()


async def test_a_drain_without_patience_cancels_at_once() -> None:
    tasks = Tasks()
    task = tasks.spawn("wait", asyncio.Event().wait())  # type: ignore[arg-type]
    await tasks.drain()
    assert task.cancelled()
