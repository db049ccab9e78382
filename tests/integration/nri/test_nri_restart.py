"""A daemon that is killed and started again: plugins join again, and get what still runs."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.pb import nri_pb2 as pb
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.nri_plugin import FakePlugin
from tests.integration.nri.conftest import settings


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with private_daemon(1, **settings(tmp_path)) as started:
        yield started


def test_after_a_kill_plugins_get_what_still_runs(daemon: Daemon, tmp_path: Path) -> None:
    async def before() -> tuple[str, str]:
        plugin = FakePlugin()
        async with Client(daemon.socket) as client, plugin.connected(tmp_path / "nri.sock"):
            cri = Cri(daemon, client)
            pod = await cri.run_pod()
            running = await cri.run(pod, ["sleep", "60"])
            daemon.kill()
            await plugin.ended.wait()
        return pod, running

    async def after() -> FakePlugin:
        plugin = FakePlugin()
        async with Client(daemon.socket) as client, plugin.connected(tmp_path / "nri.sock"):
            await Cri(daemon, client).remove_all()
        return plugin

    pod, running = asyncio.run(before())
    daemon.start()
    plugin = asyncio.run(after())

    told: Any = plugin.told("Synchronize")[0]
    assert [(c.id, c.state) for c in told.containers] == [(running, pb.CONTAINER_RUNNING)]
    assert plugin.of(running, pod) == [
        *("StopContainer", "RemoveContainer"),
        *("StopPodSandbox", "RemovePodSandbox"),
    ]


def test_plugins_are_told_that_the_daemon_ends(daemon: Daemon, tmp_path: Path) -> None:
    async def stop() -> FakePlugin:
        plugin = FakePlugin()
        async with plugin.connected(tmp_path / "nri.sock"):
            await asyncio.to_thread(daemon.stop)
            await plugin.ended.wait()
        return plugin

    plugin = asyncio.run(stop())

    assert plugin.methods[-1] == "Shutdown"
    assert not (tmp_path / "nri.sock").exists()
