"""Processes that die together, and pids that belong to another process by now."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cri_shim.linux import process
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from tests.chaos import records
from tests.chaos.rig import Rig
from tests.fixtures import host
from tests.fixtures.cri import pod_config
from tests.fixtures.daemon import Daemon

SEEN_S = 5.0  # the latest time for the report of an exit
AT_ONCE_S = 1.0


@pytest.mark.parametrize("together", [("pid", "monitorPid"), ("monitorPid", "pid")])
async def test_workload_and_monitor_killed_together_are_an_ended_container(
    rig: Rig, together: tuple[str, str]
) -> None:
    pod = await rig.cri.run_pod()
    container = await rig.cri.run(pod, ["sleep", "600"])
    info = await rig.cri.info(container)
    for which in together:
        os.kill(info[which], signal.SIGKILL)
    status = await rig.cri.exited(container, SEEN_S)
    assert status.exit_code in (137, 255)
    begin = time.monotonic()
    await rig.cri.stop(container, 30)
    await rig.cri.stop_pod(pod)
    assert time.monotonic() - begin < AT_ONCE_S


async def test_a_container_without_monitor_is_stopped_and_removed_by_the_next_daemon(
    rig: Rig,
) -> None:
    pod = await rig.cri.run_pod()
    container = await rig.cri.run(pod, ["sleep", "600"])
    os.kill((await rig.cri.info(container))["monitorPid"], signal.SIGKILL)
    await rig.restart()
    assert (await rig.cri.status(container)).state == api.CONTAINER_RUNNING
    await rig.cri.stop(container, 0)
    assert (await rig.cri.status(container)).exit_code in (137, 255)
    await rig.cri.remove(container)


CHILDREN = "setsid sleep 7411 & (sleep 7412 & sleep 7412) & echo ready; sleep 7413"


@pytest.mark.parametrize("pid", [api.POD, api.CONTAINER])
@pytest.mark.parametrize("daemon_dead", [False, True])
async def test_no_child_of_a_container_that_was_killed_outlives_it(
    rig: Rig, pid: api.NamespaceMode.ValueType, daemon_dead: bool
) -> None:
    linux = api.LinuxPodSandboxConfig()
    linux.security_context.namespace_options.pid = pid
    pod = await rig.cri.run_pod(pod_config(rig.daemon, linux=linux, hostname="h"))
    of_it = api.LinuxContainerConfig()
    of_it.security_context.namespace_options.pid = pid
    container = await rig.cri.run(pod, ["sh", "-c", CHILDREN], linux=of_it)
    await rig.until(lambda: len(sleepers()) == 4)
    info = await rig.cri.info(container)
    if daemon_dead:
        rig.daemon.kill()
    os.kill(info["pid"], signal.SIGKILL)
    if daemon_dead:
        await rig.restart()
    assert (await rig.cri.exited(container, SEEN_S)).exit_code == 137
    await rig.until(lambda: not sleepers())


def sleepers() -> list[int]:
    return [pid for number in (7411, 7412, 7413) for pid in host.processes("sleep", str(number))]


@contextmanager
def innocent() -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"]) as bystander:
        try:
            yield bystander.pid
            assert bystander.poll() is None, "an innocent process was ended"
        finally:
            bystander.kill()


def hand_on_pids(daemon: Daemon, container: str, pid: int) -> None:
    """Change the record to the pid of another process, with the old start times."""
    with records.opened(daemon) as store:
        record = records.read(store, "container", container, state.ContainerRecord)
        for recorded in (record.monitor, record.init):  # otherwise they could still report the exit
            os.kill(recorded.pid, signal.SIGKILL)
            assert process.start_time(pid) != recorded.start_time
            recorded.pid = pid
        store.put("container", container, record.SerializeToString())


async def test_a_reused_pid_is_not_signalled(rig: Rig) -> None:
    pod = await rig.cri.run_pod()
    container = await rig.cri.run(pod, ["sleep", "600"])
    with innocent() as pid:
        rig.daemon.kill()
        hand_on_pids(rig.daemon, container, pid)
        await rig.restart()
        assert (await rig.cri.exited(container, SEEN_S)).exit_code == 255
        await rig.cri.stop(container, 0)
        await rig.cri.remove(container)
        await rig.cri.remove_pod(pod)
