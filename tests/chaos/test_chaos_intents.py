"""The next daemon completes work that was interrupted by a kill, without a new request."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cri_shim.errors import CriShimError
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from tests.chaos import records
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures import limits
from tests.fixtures.cri import container_config, log_lines
from tests.fixtures.daemon import Daemon

GRACE_S = 10
DEAF = "trap 'echo term' TERM; echo ready; while :; do usleep 10000; done"
LEAVES = "trap 'echo term; exit 9' TERM; echo ready; while :; do usleep 10000; done"


async def running(rig: Rig, script: str) -> str:
    container = await rig.cri.run(await rig.cri.run_pod(), ["sh", "-c", script])
    log = Path((await rig.cri.status(container)).log_path)
    await rig.until(lambda: log.exists() and "ready" in log.read_text())
    return container


async def stop_until_signalled(rig: Rig, container: str, grace: int = GRACE_S) -> None:
    """Request a stop, and kill the daemon before it finishes."""
    log = Path((await rig.cri.status(container)).log_path)
    stop = asyncio.create_task(rig.cri.stop(container, grace))
    await rig.until(lambda: "term" in log.read_text())
    rig.daemon.kill()
    await asyncio.gather(stop, return_exceptions=True)


async def dies(rig: Rig, point: str, *calls: "asyncio.Task[None]") -> None:
    """Wait until the daemon has died at the ordered point; then restart it."""
    await rig.until(rig.died)
    await asyncio.gather(*calls, return_exceptions=True)
    rig.pardon()
    await rig.restart()


async def test_the_next_daemon_kills_a_container_when_its_grace_is_over(rig: Rig) -> None:
    container = await running(rig, DEAF)
    begun = time.monotonic()
    await stop_until_signalled(rig, container)
    await rig.restart()
    assert (await rig.cri.status(container)).state == api.CONTAINER_RUNNING
    status = await rig.cri.exited(container, GRACE_S + 5)
    assert GRACE_S <= time.monotonic() - begun < GRACE_S + 3
    assert (status.exit_code, status.reason) == (137, "Error")
    assert log_lines(status).count("term") == 1  # many programs handle a second signal badly


async def test_a_grace_that_ended_while_there_was_no_daemon_is_over_at_the_start(rig: Rig) -> None:
    container = await running(rig, DEAF)
    await stop_until_signalled(rig, container, 1)
    await asyncio.sleep(1.5)
    await rig.restart()
    assert (await rig.cri.exited(container, 2)).exit_code == 137


async def test_an_unsent_stop_signal_is_sent_by_the_next_daemon(rig: Rig) -> None:
    container = await running(rig, LEAVES)
    rig.order("containers.stop.signal", "kill")
    stop = asyncio.create_task(rig.cri.stop(container, 600))
    await dies(rig, "containers.stop.signal", stop)
    assert (await rig.cri.exited(container, 5)).exit_code == 9


async def test_a_shorter_time_out_is_on_record_too(rig: Rig) -> None:
    container = await running(rig, DEAF)
    log = Path((await rig.cri.status(container)).log_path)
    first = asyncio.create_task(rig.cri.stop(container, 600))
    await rig.until(lambda: "term" in log.read_text())
    second = asyncio.create_task(rig.cri.stop(container, 3))
    await asyncio.sleep(0.5)
    rig.daemon.kill()
    await asyncio.gather(first, second, return_exceptions=True)
    await rig.restart()
    assert (await rig.cri.exited(container, 5)).exit_code == 137


async def test_a_stop_continues_in_the_next_daemon(rig: Rig) -> None:
    container = await running(rig, DEAF)
    log = Path((await rig.cri.status(container)).log_path)
    stop = asyncio.create_task(rig.cri.stop(container, 2))
    await rig.until(lambda: "term" in log.read_text())
    rig.daemon.stop()
    await asyncio.gather(stop, return_exceptions=True)
    await rig.restart()
    assert (await rig.cri.exited(container, 5)).exit_code == 137


async def test_an_exit_removes_the_stop_intent(rig: Rig) -> None:
    container = await running(rig, LEAVES)
    await rig.cri.stop(container, 600)
    rig.daemon.kill()
    with records.opened(rig.daemon) as store:
        record = records.read(store, "container", container, state.ContainerRecord)
    assert record.phase == state.CONTAINER_EXITED
    assert not record.HasField("stop")
    await rig.restart()


async def test_a_pods_stop_is_completed_by_the_next_daemon(rig: Rig) -> None:
    pod = await rig.cri.run_pod()
    before = await rig.snapshot()
    await rig.cri.stop_pod(pod)
    stopped = await rig.settled()
    await rig.cri.remove_pod(pod)
    for point in ("pods.stop.containers", "pods.teardown.network", "pods.stop.commit"):
        pod = await rig.cri.run_pod()
        container = await rig.cri.run(pod, ["sh", "-c", DEAF])
        rig.order(point, "kill")
        stop = asyncio.create_task(rig.cri.stop_pod(pod))
        await dies(rig, point, stop)
        assert (await rig.cri.exited(container, 6)).exit_code == 137
        await rig.no_retries()
        await rig.cri.remove(container)
        assert len(await rig.settled()) == len(stopped) < len(before)
        await rig.cri.remove_pod(pod)


@pytest.mark.parametrize("step", ["apply", "document", "commit"])
async def test_an_update_of_limits_is_completed(rig: Rig, step: str) -> None:
    container = await running(rig, DEAF)
    limit = 64 << 20
    asked = api.LinuxContainerResources(memory_limit_in_bytes=limit)
    request = api.UpdateContainerResourcesRequest(container_id=container, linux=asked)
    rig.order(f"containers.update.{step}", "kill")
    with suppress(CriShimError, asyncio.CancelledError):
        await rig.cri.runtime.UpdateContainerResources(request)
    rig.pardon()
    await rig.restart()
    await rig.no_retries()
    pid, wanted = (await rig.cri.info(container))["pid"], {"memory_limit_in_bytes": limit}
    await rig.until(lambda: limits.in_force(pid, wanted) == wanted)
    assert (await rig.cri.status(container)).resources.linux.memory_limit_in_bytes == limit


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon whose OCI runtime takes two seconds to start a container."""
    script = tmp_path / "slow"
    script.write_text(
        '#!/bin/sh\ncase " $* " in *" start "*) sleep 2;; esac\nexec /usr/bin/crun "$@"\n'
    )
    script.chmod(0o755)
    with mortal_daemon({"runtimes.slow.path": [str(script)]}) as daemon:
        yield daemon


async def test_a_stop_that_waited_for_a_start_is_done_after_both_were_cut_off(slow: Daemon) -> None:
    async with Rig(slow) as rig:
        pod = await rig.cri.run_pod(handler="slow")
        container = await rig.cri.create(pod, container_config(["sh", "-c", DEAF]))
        start = asyncio.create_task(rig.cri.start(container))
        await asyncio.sleep(1)
        stop = asyncio.create_task(rig.cri.stop(container, 3))
        await asyncio.sleep(0.3)
        rig.daemon.kill()
        await asyncio.gather(start, stop, return_exceptions=True)
        await rig.restart()
        assert (await rig.cri.exited(container, 8)).exit_code == 137
        await rig.cri.remove_all()
