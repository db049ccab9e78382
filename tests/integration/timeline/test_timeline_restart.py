"""Timelines outlive the daemon, also one that is killed while a plugin hangs."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from cri_shim.cli import exit_codes
from cri_shim.timeline.lines import INTERRUPTED
from tests.fixtures.commands import cri_shim
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.daemon import Daemon
from tests.fixtures.waiting import until
from tests.integration.timeline.conftest import Node, daemon_of, operations, stages


@pytest.fixture
def daemon(made: Node) -> Iterator[Daemon]:
    """A daemon for one test, which starts it again."""
    with daemon_of(made) as started:
        yield started


async def test_a_timeline_survives_the_pod_and_a_killed_daemon(cri: Cri, node: Any) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, "old"))
    await cri.run(pod, ["sleep", "600"])
    file = cri.daemon.root / "timelines" / pod
    await until(lambda: file.exists() and b"StartContainer" in file.read_bytes())
    cri.daemon.kill()
    cri.daemon.start()
    await cri.remove_pod(pod)
    expected = ["RunPodSandbox", "CreateContainer", "StartContainer"]
    for word in (pod, pod[:16], "old", "test/old"):
        assert list(await operations(cri, word))[:3] == expected
    assert "RemovePodSandbox" in await operations(cri, "old")
    assert file.stat().st_mode & 0o777 == 0o600


async def test_what_a_killed_daemon_waited_for_is_known(cri: Cri, node: Any) -> None:
    node.plugin_sleeps(600)
    making = asyncio.create_task(cri.run_pod(pod_config(cri.daemon, "hung")))
    directory = cri.daemon.root / "timelines"
    await until(lambda: [f for f in directory.glob("*") if b"CNI slow" in f.read_bytes()])
    node.plugin_sleeps(0)
    cri.daemon.kill()
    await asyncio.gather(making, return_exceptions=True)
    cri.daemon.start()
    made = (await operations(cri, "hung"))["RunPodSandbox"]
    assert (made["failure"], made["open"]) == (INTERRUPTED, False)
    stage = stages(made)["CNI slow ADD"]
    assert stage["failed"]
    assert stage["waitedFor"].startswith("CNI plugin slow, ADD of network testnet")
    assert "CNI quick ADD" not in stages(made)


async def test_without_a_daemon_it_says_so(cri: Cri, node: Any) -> None:
    cri.daemon.stop()
    try:
        done = await cri_shim(cri, "timeline", "web")
    finally:
        cri.daemon.start()
    assert (done.returncode, done.stdout) == (exit_codes.NO_DAEMON, b"")
    assert len(done.stderr.splitlines()) == 1
