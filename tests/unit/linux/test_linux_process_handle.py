"""A process that is held: its end is seen, and signals reach it alone."""

import signal

from cri_shim.aio.child import Child, spawn
from cri_shim.linux import process
from cri_shim.linux.process import Stat
from cri_shim.linux.process_handle import Process


def sleeper() -> tuple[Child, Stat]:
    child = spawn(["sleep", "600"])
    found = process.stat(child.pid)
    assert found is not None
    return child, found


async def test_the_end_of_a_process_can_be_awaited_repeatedly() -> None:
    child, known = sleeper()
    with Process.of(known) as held:
        too_early = await held.ended(0.0)
        child.kill()
        in_time = await held.ended(5)
        again = await held.ended(5)
    await child.wait()
    assert (too_early, in_time, again) == (False, True, True)


async def test_a_killed_process_has_ended() -> None:
    child, known = sleeper()
    with Process.of(known) as held:
        assert await held.kill()
    assert await child.wait() == -signal.SIGKILL


async def test_a_process_that_ends_by_itself_in_time_is_not_killed() -> None:
    child, known = sleeper()
    with Process.of(known) as held:
        held.send(signal.SIGTERM)
        by_itself = await held.end(5)
    assert by_itself
    assert await child.wait() == -signal.SIGTERM


async def test_a_process_that_does_not_end_in_time_is_killed() -> None:
    child, known = sleeper()
    with Process.of(known) as held:
        assert not await held.end(0.01)
    assert await child.wait() == -signal.SIGKILL


async def test_a_process_that_gets_no_grace_has_ended_when_its_end_returns() -> None:
    child, known = sleeper()
    with Process.of(known) as held:
        by_itself = await held.end(0)
        status = held.exit_status()
    await child.wait()
    assert (by_itself, status) == (False, 128 + signal.SIGKILL)


async def test_a_process_with_another_start_time_is_gone_and_takes_no_signal() -> None:
    child, known = sleeper()
    with Process.of(Stat(child.pid, 0, 0, known.start_time + 1, "S")) as held:
        gone, sent, ended = held.gone, held.send(signal.SIGKILL), await held.ended(0)
    alive = child.running
    await child.end()
    assert (gone, sent, ended, alive) == (True, False, True, True)


async def test_a_pid_without_a_process_is_gone() -> None:
    child = spawn(["true"])
    await child.wait()
    with Process.at(child.pid) as held:
        assert held.gone
        assert await held.kill()
    with Process.at(0) as held:
        assert held.gone
