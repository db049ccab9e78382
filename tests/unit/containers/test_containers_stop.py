"""A container that will not die is killed again and again, and ever more rarely."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from cri_shim.containers import stop
from cri_shim.errors import Unavailable
from cri_shim.linux.process_handle import Process
from cri_shim.node_plugins import NodePlugins
from cri_shim.objects import ObjectStore, changed
from cri_shim.pb import state_pb2 as state
from cri_shim.state.memory import MemoryStore
from cri_shim.work import Work
from tests.fixtures.objects import put


async def test_the_pauses_between_kills_double_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    objects = ObjectStore(MemoryStore())
    process = state.Process(pid=1, start_time=1)
    put(objects, state.ContainerRecord(id="c1", phase=state.CONTAINER_RUNNING, init=process))
    sent: list[int] = []

    async def thaw(_path: str) -> None:
        """Nothing is frozen."""

    def send(_process: Process, number: int) -> None:
        sent.append(number)
        if len(sent) == 6:
            objects.put(changed(objects.container("c1"), finished_at=1))

    engine: Any = SimpleNamespace(
        objects=objects,
        work=Work(),
        cgroups=SimpleNamespace(thaw=thaw),
        plugins=NodePlugins(),
    )
    monkeypatch.setattr(Process, "send", send)
    monkeypatch.setattr(stop, "KILL_AGAIN_S", 0.001)
    monkeypatch.setattr(stop, "KILL_AGAIN_MAX_S", 0.004)

    with caplog.at_level(logging.WARNING):
        await asyncio.wait_for(stop.stop(engine, "c1", 0), 10)

    pauses = [record.getMessage().split(" lives ")[1] for record in caplog.records]
    assert sent == [9] * 6
    assert pauses == [f"{p} s after SIGKILL" for p in ("0.001", "0.002", "0.004", "0.004", "0.004")]


async def test_a_stop_dropped_at_close_is_not_a_cancellation_for_its_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    objects = ObjectStore(MemoryStore())
    process = state.Process(pid=1, start_time=1)
    put(objects, state.ContainerRecord(id="c1", phase=state.CONTAINER_RUNNING, init=process))
    engine: Any = SimpleNamespace(objects=objects, work=Work())
    sent = asyncio.Event()
    monkeypatch.setattr(Process, "send", lambda _process, _number: sent.set())
    stopping = asyncio.create_task(stop.stop(engine, "c1", 60))
    await asyncio.wait_for(sent.wait(), 10)

    engine.work.stopping["c1"].task.cancel()

    with pytest.raises(Unavailable, match="stop c1: ended by the shutdown of the daemon"):
        await asyncio.wait_for(stopping, 10)
    assert not stopping.cancelled()
