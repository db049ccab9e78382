"""Orphans a subreaper inherits are reaped, children of ours are left to their own reader."""

import asyncio
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.aio import child, reaper
from cri_shim.linux import pidfd, process, syscalls
from cri_shim.linux.process_handle import Process


@pytest.fixture(autouse=True)
def subreaper() -> Iterator[None]:
    process.become_subreaper()
    yield
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 0)


async def orphan(tmp_path: Path) -> tuple[int, int]:
    """The pid and a pidfd of a process whose parent has ended: it is ours now."""
    script = f"sleep 600 >/dev/null 2>&1 & echo $! > {tmp_path}/pid"
    await child.run(["sh", "-c", script])
    pid = int((tmp_path / "pid").read_text())
    return pid, os.pidfd_open(pid)


async def test_an_orphan_is_reaped_and_its_exit_status_stays_known(tmp_path: Path) -> None:
    pid, fd = await orphan(tmp_path)
    reaper.start()
    pidfd.send(fd, signal.SIGTERM)
    await Process(pid, fd).ended(5)
    reaper.reap_orphans()
    reaper.stop()
    status = pidfd.exit_status(fd)
    os.close(fd)
    assert process.state(pid) is None
    assert status == 128 + signal.SIGTERM


async def test_the_signal_of_an_end_makes_the_reaper_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()
    pid, fd = await orphan(tmp_path)
    monkeypatch.setattr(reaper, "reap_orphans", looked.set)
    reaper.start()
    looked.clear()
    pidfd.send(fd, signal.SIGKILL)
    async with asyncio.timeout(5):
        await looked.wait()
    reaper.stop()
    os.close(fd)
    monkeypatch.undo()
    reaper.reap_orphans()
    assert process.state(pid) is None


async def test_a_child_of_ours_keeps_its_exit_code() -> None:
    running = child.spawn(["sh", "-c", "exit 9"])
    fd = os.pidfd_open(running.pid)
    select.select([fd], [], [], 5)  # it is a zombie now, and the loop has not run
    reaper.reap_orphans()
    os.close(fd)
    assert await running.wait() == 9


async def test_running_children_are_not_reaped(tmp_path: Path) -> None:
    pid, fd = await orphan(tmp_path)
    reaper.reap_orphans()
    start = process.start_time(pid)
    pidfd.send(fd, signal.SIGKILL)
    await Process(pid, fd).ended(5)
    reaper.reap_orphans()
    os.close(fd)
    assert start is not None
    assert not process.alive(pid, start)


async def test_an_orphan_behind_a_child_of_ours_is_reaped_too(tmp_path: Path) -> None:
    pid, orphan_fd = await orphan(tmp_path)
    running = child.spawn(["sh", "-c", "exit 9"])
    running_fd = os.pidfd_open(running.pid)
    pidfd.send(orphan_fd, signal.SIGKILL)
    select.select([running_fd], [], [], 5)  # both are zombies now, and the loop has not run
    select.select([orphan_fd], [], [], 5)
    reaper.reap_orphans()
    os.close(running_fd)
    os.close(orphan_fd)
    assert process.state(pid) is None
    assert await running.wait() == 9
