"""Commands run repeatedly, as probes do: their remains do not accumulate."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from cri_shim.errors import TimedOut
from cri_shim.linux.process import Stat
from cri_shim.oci import process_tree
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon
from tests.fixtures.host import descriptors, resident, threads, until

AT_ONCE = 16
WARM_UP, PROBES = 64, 160
GROWTH = 4 << 20  # bytes, 26 KiB for each probe: about one leaked task or buffer
POOL = 6  # threads that pools of fixed size may still start
TIMEOUT_S, ANSWER_S = 5, 10.0

DAEMON = ["sh", "-c", "sleep 600 & echo done"]  # a child that keeps stdout
STUCK = ["sh", "-c", "sleep 601 & sleep 602"]
FAILED = ["false"]
# Its first process must reap the orphans of commands.
REAPING = ["sh", "-c", "while :; do sleep 0.1; done"]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}) as started:
        yield started


@pytest.fixture(params=["crun", "runc"])
async def container(rig: Rig, request: pytest.FixtureRequest) -> str:
    return await rig.cri.run(await rig.cri.run_pod(handler=request.param), REAPING)


async def probe(cri: Cri, container: str, command: Sequence[str]) -> None:
    async with asyncio.timeout(ANSWER_S):
        answer = await cri.exec(container, *command, timeout=TIMEOUT_S)
    assert (answer.exit_code, answer.stdout) == ((1, b"") if command is FAILED else (0, b"done\n"))


async def probes(cri: Cri, container: str, commands: Sequence[Sequence[str]]) -> None:
    pending = iter(commands)

    async def work() -> None:
        for command in pending:
            await probe(cri, container, command)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


async def stuck(cri: Cri, container: str) -> None:
    async with asyncio.timeout(ANSWER_S):
        with pytest.raises(TimedOut, match="timed out after 1 s"):
            await cri.exec(container, *STUCK, timeout=1)


def defunct(*parents: int) -> list[Stat]:
    return [e for e in process_tree.table().values() if e.state == "Z" and e.parent in parents]


async def test_probes_leave_no_descriptor_thread_memory_or_defunct_process(
    rig: Rig, container: str
) -> None:
    pid, monitor = rig.daemon.pid, (await rig.cri.info(container))["monitorPid"]
    mixture = [DAEMON, FAILED]
    await probes(rig.cri, container, mixture * (WARM_UP // 2))
    before = descriptors(pid), threads(pid), resident(pid)
    await probes(rig.cri, container, mixture * (PROBES // 2))
    await asyncio.gather(*(stuck(rig.cri, container) for _ in range(AT_ONCE)))
    await until(lambda: not defunct(pid, monitor))
    await until(lambda: descriptors(pid) <= before[0])
    assert threads(pid) <= before[1] + POOL
    assert resident(pid) - before[2] < GROWTH
    assert list((rig.daemon.run_root / "exec").iterdir()) == []
    assert len(list(rig.daemon.root.glob("containers/*"))) == 1
