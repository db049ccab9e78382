"""The daemon is killed, stopped or gets SIGHUP while pods and containers are active."""

import asyncio
import os
import signal
from pathlib import Path

from cri_shim.pb import api_pb2 as api
from tests.chaos.rig import Rig
from tests.fixtures.cri import log_lines

GRACE_S = 30
WAITS_FOR_LEAVE = (
    "trap 'echo term; while [ ! -e /tmp/go ]; do usleep 10000; done; exit 9' TERM;"
    "echo ready; while :; do usleep 10000; done"
)


async def stopping(rig: Rig) -> tuple[str, "asyncio.Task[None]"]:
    """Return a container that stops slowly, and a stop that waits for it."""
    container = await rig.cri.run(await rig.cri.run_pod(), ["sh", "-c", WAITS_FOR_LEAVE])
    status = await rig.cri.status(container)
    log = Path(status.log_path)
    await rig.until(lambda: log.exists() and "ready" in log.read_text())
    stop = asyncio.create_task(rig.cri.stop(container, GRACE_S))
    await rig.until(lambda: "term" in log.read_text())
    return container, stop


async def test_a_stop_interrupted_by_the_daemons_death_loses_no_exit(rig: Rig) -> None:
    container, stop = await stopping(rig)
    info = await rig.cri.info(container)
    await rig.restart()
    await asyncio.gather(stop, return_exceptions=True)
    assert (await rig.cri.status(container)).state == api.CONTAINER_RUNNING
    again = asyncio.create_task(rig.cri.stop(container, GRACE_S))
    await rig.cri.touch(container, "/tmp/go")
    await again
    status = await rig.cri.status(container)
    assert (status.state, status.exit_code) == (api.CONTAINER_EXITED, 9)
    assert status.finished_at > status.started_at
    await rig.until(lambda: not Path(f"/proc/{info['monitorPid']}").exists())


async def test_a_daemon_that_is_stopped_cuts_no_grace_period(rig: Rig) -> None:
    container, stop = await stopping(rig)
    info = await rig.cri.info(container)
    leaving = asyncio.create_task(asyncio.to_thread(rig.daemon.stop))
    await rig.until(lambda: "stopping; containers keep running" in rig.log())
    Path(f"/proc/{info['pid']}/root/tmp/go").touch()
    await asyncio.gather(stop, leaving)
    await rig.restart()
    assert (await rig.cri.status(container)).exit_code == 9


async def test_a_container_that_has_ended_does_not_run_again_after_a_restart(rig: Rig) -> None:
    pod = await rig.cri.run_pod()
    init = await rig.cri.run(pod, ["sh", "-c", "echo once"], "init")
    before = await rig.cri.exited(init)
    main = await rig.cri.run(pod, ["sleep", "600"], "main")
    address = (await rig.cri.pod_status(pod)).network.ip
    for _ in range(2):
        await rig.restart()
        assert await rig.cri.status(init) == before
        running = api.ContainerStateValue(state=api.CONTAINER_RUNNING)
        assert await rig.cri.containers(state=running) == [main]
        assert (await rig.cri.pod_status(pod)).network.ip == address != ""
    assert log_lines(before) == ["once"]


async def test_sighup_ends_nothing_and_changes_no_setting_of_an_unchanged_file(rig: Rig) -> None:
    container = await rig.cri.run(await rig.cri.run_pod(), ["sleep", "600"])
    before = await settings(rig)
    os.kill(rig.daemon.pid, signal.SIGHUP)
    await rig.until(lambda: "configuration reloaded: nothing changed" in rig.log())
    assert await settings(rig) == before
    assert await rig.cri.sh(container, "echo served") == "served\n"


async def settings(rig: Rig) -> str:
    status = await rig.cri.runtime.Status(api.StatusRequest(verbose=True))
    return str(status.info["config"])
