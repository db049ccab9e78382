"""The node has no free inotify instance: the daemon polls instead, and the status says so."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.pb import api_pb2 as api
from tests.chaos import without_inotify
from tests.chaos.rig import Rig, mortal_daemon, spied
from tests.fixtures.cri import log_lines
from tests.fixtures.daemon import Daemon

PODS = 10


def starved(daemon: Daemon) -> None:
    spied(daemon)
    (daemon.directory / "net.d").rename(daemon.directory / "later")
    (daemon.directory / "net.d").mkdir()
    daemon.wrapper = [sys.executable, str(Path(without_inotify.__file__))]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({"network.bundled": False}, starved) as started:
        yield started


async def test_without_inotify_the_network_works_and_the_status_mentions_it(
    rig: Rig,
) -> None:
    cri = rig.cri
    for file in (rig.daemon.directory / "later").iterdir():
        file.rename(rig.daemon.directory / "net.d" / file.name)
    await rig.network_becomes(True)
    _, told = await rig.network()
    assert "found by polling only" in told
    assert "raise fs.inotify.max_user_instances" in told
    pods = await asyncio.gather(*(cri.run_pod() for _ in range(PODS)))
    script = "while [ ! -e /tmp/go ]; do usleep 10000; done; echo gone; exit 3"
    containers = [await cri.run(pod, ["sh", "-c", script]) for pod in pods]
    for container in containers:
        await cri.runtime.ReopenContainerLog(api.ReopenContainerLogRequest(container_id=container))
        await cri.touch(container, "/tmp/go")
    ended = [await cri.exited(container) for container in containers]
    assert [(status.exit_code, log_lines(status)) for status in ended] == [(3, ["gone"])] * PODS
