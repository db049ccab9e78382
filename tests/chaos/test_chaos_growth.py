"""Containers and pods, most of them never started, cost the daemon nothing after their removal."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.cri import container_config
from tests.fixtures.daemon import Daemon
from tests.fixtures.host import descriptors, resident, threads, until

AT_ONCE = 8
WARM_UP, ROUNDS = 64, 128
GROWTH = 2 << 20  # bytes, 16 KiB for each container: about one leaked task or buffer
POOL = 6  # threads that pools of fixed size may still start


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}) as started:
        yield started


async def rounds(rig: Rig, pod: str, numbers: range) -> None:
    pending = iter(numbers)

    async def work() -> None:
        for number in pending:
            config = container_config(["true"], f"c{number}")
            container = await rig.cri.create(pod, config)
            if not number % 4:
                await rig.cri.start(container)
            await rig.cri.remove(container)
            if not number % 8:
                await rig.cri.remove_pod(await rig.cri.run_pod())

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


async def test_created_and_removed_containers_leave_no_descriptor_thread_or_memory(
    rig: Rig,
) -> None:
    pid = rig.daemon.pid
    pod = await rig.cri.run_pod()
    await rounds(rig, pod, range(WARM_UP))
    before = await rig.settled()
    files, tasks, memory = descriptors(pid), threads(pid), resident(pid)
    await rounds(rig, pod, range(WARM_UP, WARM_UP + ROUNDS))
    await rig.becomes(before)
    await until(lambda: descriptors(pid) <= files)
    assert threads(pid) <= tasks + POOL
    assert resident(pid) - memory < GROWTH
