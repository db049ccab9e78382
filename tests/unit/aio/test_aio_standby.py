"""A process that waits for work: it is taken once, replaced, and ended if nobody takes it."""

from cri_shim.aio.child import spawn
from cri_shim.aio.standby import Standby
from cri_shim.errors import ToolFailed
from tests.fixtures.processes import children
from tests.fixtures.waiting import until


class Sleeper:
    def __init__(self) -> None:
        self.process = spawn(["sleep", "600"])
        self.is_closed = False

    @property
    def running(self) -> bool:
        return self.process.running

    def close(self) -> None:
        self.is_closed = True

    async def end(self) -> None:
        await self.process.end()
        self.close()


async def test_a_process_that_waits_is_taken_once() -> None:
    standby = Standby("a sleeper", Sleeper, 60)
    standby.have()
    standby.have()
    await until(lambda: standby.waiting is not None)

    taken, second = standby.take(), standby.take()

    assert taken is not None and taken.running
    assert second is None
    await taken.end()
    await standby.close()
    assert children() == []


async def test_a_process_that_has_ended_is_not_given_away() -> None:
    standby = Standby("a sleeper", Sleeper, 60)
    standby.have()
    await until(lambda: standby.waiting is not None)
    dead = standby.waiting
    assert dead is not None
    await dead.process.end()

    assert standby.take() is None
    assert dead.is_closed

    standby.have()
    await until(lambda: standby.waiting is not None)
    await standby.close()
    assert children() == []


async def test_a_process_that_nobody_takes_is_ended() -> None:
    started: list[Sleeper] = []

    def start() -> Sleeper:
        started.append(Sleeper())
        return started[-1]

    standby = Standby("a sleeper", start, 0.05)
    standby.have()
    await until(lambda: len(started) == 1 and started[0].is_closed)
    assert standby.take() is None
    standby.have()
    await until(lambda: len(started) == 2 and started[1].is_closed)
    assert children() == []
    await standby.close()


async def test_none_is_started_without_a_time_to_wait() -> None:
    standby = Standby("a sleeper", Sleeper, 0)
    standby.have()
    assert len(standby._tasks) == 0
    await standby.close()


async def test_a_process_that_cannot_be_started_is_left_to_the_work() -> None:
    started: list[None] = []

    def fails() -> Sleeper:
        started.append(None)
        raise ToolFailed("no process can be started")

    standby = Standby("a sleeper", fails, 60)
    standby.have()
    await until(lambda: bool(started))
    assert standby.take() is None
    standby.have()
    await until(lambda: len(started) == 2)
    await standby.close()
