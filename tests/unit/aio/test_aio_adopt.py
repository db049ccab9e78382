"""Adopted processes: their exit codes are ours, whatever the reaper does meanwhile."""

import os
import signal
from pathlib import Path

import pytest

from cri_shim.aio import reaper
from cri_shim.aio.child import adopt
from cri_shim.errors import ToolFailed


def started(*command: str) -> int:
    """The pid of a child that no Child object follows."""
    return os.posix_spawnp(command[0], command, os.environ)


def ended(pid: int) -> None:
    """Wait for its end and leave it a zombie."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def reap(pid: int) -> None:
    os.waitpid(pid, 0)


def is_reaped(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_the_exit_code_is_returned():
    assert await adopt(started("sh", "-c", "exit 7")).wait() == 7


async def test_death_by_a_signal_is_a_negative_exit_code():
    adopted = adopt(started("sleep", "100"))
    adopted.kill(signal.SIGTERM)
    assert await adopted.wait() == -signal.SIGTERM
    assert not adopted.running


async def test_end_kills_and_reaps():
    adopted = adopt(started("sleep", "100"))
    await adopted.end()
    assert is_reaped(adopted.pid)


async def test_the_reaper_does_not_reap_adopted_processes():
    adopted = adopt(started("sh", "-c", "exit 3"))
    ended(adopted.pid)
    reaper.reap_orphans()
    assert await adopted.wait() == 3


async def test_a_held_reaper_reaps_nothing_until_it_is_released():
    reaper.start()
    with reaper.held():
        pid = started("sh", "-c", "exit 4")
        ended(pid)
        reaper.reap_orphans()
        adopted = adopt(pid)
        stray = started("true")
        ended(stray)
        reaper.reap_orphans()
    assert await adopted.wait() == 4
    assert is_reaped(stray)
    reaper.stop()


async def test_a_pid_without_a_process_is_an_error():
    pid = started("true")
    reap(pid)
    with pytest.raises(ToolFailed, match="cannot watch process"):
        adopt(pid)
