"""The ends of real processes, seen by pidfd."""

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.aio.child import Child, spawn
from cri_shim.linux import pidfd, process
from cri_shim.linux.process_handle import Process


def held(child: Child) -> int:
    start = process.start_time(child.pid)
    assert start is not None
    fd = pidfd.open_verified(child.pid, start)
    assert fd is not None
    return fd


@pytest.fixture
def fds() -> Iterator[list[int]]:
    opened: list[int] = []
    yield opened
    for fd in opened:
        os.close(fd)


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("exit 255", 255)])
async def test_the_exit_status_is_known_after_the_process_was_reaped(
    fds: list[int], script: str, status: int
) -> None:
    child = spawn(["sh", "-c", script])
    fds.append(held(child))
    await child.wait()
    assert pidfd.exit_status(fds[0]) == status


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
async def test_a_deadly_signal_is_128_and_its_number(fds: list[int], number: int) -> None:
    child = spawn(["sleep", "600"])
    fds.append(held(child))
    assert pidfd.send(fds[0], number)
    await child.wait()
    assert pidfd.exit_status(fds[0]) == 128 + number


async def test_the_exit_status_of_a_running_process_and_of_a_zombie_is_unknown(
    fds: list[int],
) -> None:
    child = spawn(["sleep", "600"])
    fds.append(held(child))
    while_running = pidfd.exit_status(fds[0])
    child.kill()
    poll = select.poll()
    poll.register(fds[0], select.POLLIN)
    poll.poll(5000)  # the loop, which would reap it, does not run meanwhile
    as_zombie = pidfd.exit_status(fds[0])
    state = process.state(child.pid)
    await child.wait()
    assert (while_running, as_zombie, state) == (None, None, "Z")


async def test_a_zombie_is_not_alive_but_can_be_held(fds: list[int]) -> None:
    child = spawn(["sleep", "600"])
    start = process.start_time(child.pid)
    assert start is not None
    assert process.alive(child.pid, start)
    fds.append(held(child))
    child.kill()
    poll = select.poll()
    poll.register(fds[0], select.POLLIN)
    poll.poll(5000)
    alive = process.alive(child.pid, start)
    fds.append(held(child))
    readable = await Process(child.pid, fds[1]).ended(5)
    await child.wait()
    assert not alive
    assert readable


async def test_a_signal_to_an_ended_process_returns_false(fds: list[int]) -> None:
    child = spawn(["true"])
    fds.append(held(child))
    await child.wait()
    assert not pidfd.send(fds[0], signal.SIGKILL)


async def test_the_exit_status_by_something_that_is_no_pidfd_is_unknown() -> None:
    assert pidfd.exit_status(0) is None


async def test_a_name_that_looks_like_other_fields_does_not_confuse(tmp_path: Path) -> None:
    odd = tmp_path / "a) Z 1 ("
    odd.symlink_to("/bin/sh")
    read_end, write_end = os.pipe()
    child = spawn([str(odd), "-c", "echo; kill -STOP $$"], stdout=write_end)
    os.close(write_end)
    os.read(read_end, 1)  # the kernel names a process after exec has returned to its parent
    os.close(read_end)
    name = Path(f"/proc/{child.pid}/comm").read_text()
    start = process.start_time(child.pid)
    assert start is not None
    alive = process.alive(child.pid, start)
    await child.end()
    assert name == "a) Z 1 (\n"
    assert alive
