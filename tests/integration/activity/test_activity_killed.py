"""A daemon that was killed while a plugin hung: the next one cleans up, and shows it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.pb import control_pb2 as control
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.daemon import Daemon
from tests.fixtures.waiting import until
from tests.integration.activity.conftest import Gate, flaky_daemon, in_progress, lines, waiting


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def daemon(where: Path) -> Iterator[Daemon]:
    """A daemon for one test, which starts it again."""
    with flaky_daemon(where) as started:
        yield started


async def test_the_next_daemon_names_the_pod_that_it_removes(
    cri: Cri, gate: Gate, where: Path
) -> None:
    making = asyncio.create_task(cri.run_pod(pod_config(cri.daemon, "killed")))
    id = (await waiting(cri, "pod test/killed"))["id"]
    cri.daemon.kill()
    await asyncio.gather(making, return_exceptions=True)
    removal = Gate(where / "gate.del")
    removal.close()
    cri.daemon.start()
    operation = await waiting(cri, "pod test/killed", "CNI plugin flaky, DEL of network flakynet")
    pods = (await cri.control.ListChangingPods(control.ListChangingPodsRequest())).pods
    removal.open()
    assert (operation["verb"], operation["id"]) == ("retry", id)
    assert [(pod.id, pod.state) for pod in pods] == [(id, "Removing")]
    assert pods[0].waits_for.startswith("CNI plugin flaky, DEL")
    left = f"killing CNI plugin flaky (process {{}}, ADD for pod test/killed ({id[:12]})), left by"
    assert lines(cri, *left.split("{}"))
    await until(lambda: not cri.daemon.traces())
    assert await in_progress(cri) == []
