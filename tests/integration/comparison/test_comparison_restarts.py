"""Comparisons around the death of the daemon: in a repair, and without a daemon."""

from collections.abc import Iterator

import pytest

from cri_shim.errors import CriShimError
from cri_shim.linux import mounts
from cri_shim.linux.process import find_by_cmdline
from cri_shim.linux.process_handle import Process
from cri_shim.pb import api_pb2 as api
from tests.chaos.rig import mortal_daemon
from tests.fixtures.daemon import Daemon
from tests.integration.comparison import plants
from tests.integration.comparison.conftest import Node, on_a_node_of_its_own

SLEEP = ["sleep", "600"]


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A daemon for each test, which may kill it."""
    with mortal_daemon({}, on_a_node_of_its_own) as started:
        yield started
        mounts.unmount(started.directory / "node")


async def test_a_daemon_that_dies_in_a_repair_continues_with_the_next_start(node: Node) -> None:
    for _ in range(2):
        await plants.container(node, plants.new_id())
    node.rig.order("comparison.repair.act", "kill")
    with pytest.raises(Exception, match=r"no daemon answers|Socket closed|cancelled"):
        await node.compare(repair=True)
    node.rig.pardon()
    await node.rig.restart()
    await node.rig.settled()

    await node.compare(repair=True)

    assert await node.compare() == []


async def test_ends_that_no_daemon_saw_are_recorded_by_a_repair_without_one(node: Node) -> None:
    cri, daemon = node.rig.cri, node.daemon
    container = await cri.run(await cri.run_pod(), SLEEP)
    pid = (await cri.info(container))["pid"]
    daemon.kill()
    for monitor in find_by_cmdline(lambda words: words[1:3] == ["-c", container]):
        with Process.at(monitor) as conmon, Process.at(pid) as init:
            await conmon.kill()
            await init.kill()
    stray = await plants.directory(node, plants.new_id())
    remains = daemon.root / "layers" / ".new-0"
    remains.mkdir()

    found = node.check()
    results = {each["class"]: each["result"] for each in node.check("--repair")}
    clean = node.check()
    await node.rig.restart()

    assert {each["class"] for each in found} == {"process", "directory", "remains"}
    assert stray in {each["path"] for each in found}
    assert set(results.values()) == {"repaired"}
    assert clean == []
    assert (await node.rig.cri.status(container)).state == api.CONTAINER_EXITED
    assert not remains.exists()


async def test_unfinished_work_of_a_dead_daemon_is_shown_without_one(node: Node) -> None:
    node.rig.order("pods.run.network", "kill")
    with pytest.raises(CriShimError):
        await node.rig.cri.run_pod()
    node.rig.pardon()
    node.daemon.wait_dead()

    found = node.leaks()
    compared = node.check()
    await node.rig.restart()
    await node.rig.settled()

    assert [(each["class"], each["next"]) for each in found] == [
        ("creation", "nothing now: the next start of the daemon finishes it")
    ]
    assert compared == []
    assert node.leaks() == []
