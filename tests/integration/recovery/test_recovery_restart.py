"""The daemon ends, by kill -9 or by SIGTERM, and another one finds everything again."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.linux import mounts
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.daemon import Daemon, private_daemon


def gone(pid: int) -> None:
    """Wait until a process is no more than a zombie."""
    limit = time.monotonic() + 10
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state in "ZX":
            return
        assert time.monotonic() < limit, f"process {pid} lives"
        time.sleep(0.01)


Restart = Callable[..., Any]


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A daemon for each test: a restarted one is another process."""
    with private_daemon() as started:
        yield started


@pytest.fixture
async def restart(daemon: Daemon, cri: Cri) -> AsyncIterator[Restart]:
    """Kill the daemon, do something meanwhile, start it again; gives calls to the new one."""
    clients: list[Client] = []

    async def again(meanwhile: Callable[[], None] = lambda: None, *, kill: bool = True) -> Cri:
        (daemon.kill if kill else daemon.stop)()
        meanwhile()
        daemon.start()
        client = Client(daemon.socket)
        clients.append(client)
        return Cri(daemon, await client.__aenter__())

    yield again
    for client in clients:
        await client.__aexit__(None, None, None)


async def test_a_daemon_that_was_stopped_leaves_no_mount_but_those_of_pods(
    cri: Cri, restart: Restart, handler: str
) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "600"])
    left: list[Path] = []
    again = await restart(
        lambda: left.extend(mounts.mounts_below(cri.daemon.directory)), kill=False
    )
    assert left != []
    assert [path for path in left if not {pod, container} & set(path.parts)] == []
    assert await again.sh(container, "echo on") == "on\n"
    await again.remove_pod(pod)
    left.clear()
    await restart(lambda: left.extend(mounts.mounts_below(cri.daemon.directory)), kill=False)
    assert left == []


@pytest.mark.parametrize("kill", [True, False])
async def test_a_running_container_is_found_again_unharmed(
    cri: Cri, restart: Restart, handler: str, kill: bool
) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sh", "-c", "echo $$; exec sleep 600"])
    before, pod_before = await cri.status(container), await cri.pod_status(pod)
    pid = (await cri.info(container))["pid"]
    cri = await restart(kill=kill)
    assert await cri.status(container) == before
    assert await cri.pod_status(pod) == pod_before
    assert (await cri.info(container))["pid"] == pid
    assert await cri.sh(container, "echo alive") == "alive\n"
    await cri.stop(container, 0)
    assert (await cri.status(container)).exit_code == 137


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("exit 0", 0, "Completed"),
        ("exit 3", 3, "Error"),
        ("kill -9 -1; exec dd if=/dev/zero of=/dev/null bs=60M", 137, "OOMKilled"),
    ],
)
async def test_an_exit_from_while_no_daemon_ran_is_recorded(
    cri: Cri, restart: Restart, script: str, code: int, reason: str
) -> None:
    limits = api.LinuxContainerResources(
        memory_limit_in_bytes=20 << 20, memory_swap_limit_in_bytes=20 << 20
    )
    linux = api.LinuxContainerConfig(resources=limits)
    linux.security_context.namespace_options.pid = api.CONTAINER
    pod = await cri.run_pod()
    waiting = f"while [ ! -e /tmp/go ]; do usleep 10000; done; {script}"
    container = await cri.run(pod, ["sh", "-c", waiting], linux=linux)
    info = await cri.info(container)

    def let_go() -> None:
        Path(f"/proc/{info['pid']}/root/tmp/go").touch()
        gone(info["monitorPid"])

    begin = time.time_ns()
    cri = await restart(let_go)
    status = await cri.status(container)
    assert (status.state, status.exit_code, status.reason) == (api.CONTAINER_EXITED, code, reason)
    assert begin < status.finished_at < time.time_ns()


async def test_a_kill_from_while_no_daemon_ran_is_recorded(cri: Cri, restart: Restart) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "600"])
    info = await cri.info(container)

    def kill() -> None:
        os.kill(info["pid"], signal.SIGKILL)
        gone(info["monitorPid"])

    cri = await restart(kill)
    assert (await cri.status(container)).exit_code == 137


async def test_a_container_killed_with_its_conmon_is_exited(cri: Cri, restart: Restart) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "600"])
    info = await cri.info(container)

    def kill_both() -> None:
        for pid in (info["monitorPid"], info["pid"]):
            os.kill(pid, signal.SIGKILL)
            gone(pid)

    cri = await restart(kill_both)
    status = await cri.exited(container)
    assert status.exit_code in (137, 255)
    await cri.remove(container)


async def test_a_container_outlives_its_conmon_and_its_exit_is_noticed(cri: Cri) -> None:
    script = "while [ ! -e /tmp/go ]; do usleep 10000; done; exit 3"
    container = await cri.run(await cri.run_pod(), ["sh", "-c", script])
    info = await cri.info(container)
    os.kill(info["monitorPid"], signal.SIGKILL)
    gone(info["monitorPid"])
    assert (await cri.status(container)).state == api.CONTAINER_RUNNING
    await cri.touch(container, "/tmp/go")
    status = await cri.exited(container)
    assert status.exit_code in (3, 255)


async def test_a_pod_with_a_shared_pid_namespace_survives(cri: Cri, restart: Restart) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, linux=api.LinuxPodSandboxConfig(), hostname="h"))
    cri = await restart()
    assert (await cri.pod_status(pod)).state == api.SANDBOX_READY
    context = api.LinuxContainerConfig()
    context.security_context.namespace_options.pid = api.POD
    container = await cri.run(pod, ["sleep", "60"], linux=context)
    assert "catatonit" in await cri.sh(container, "ps")


async def test_a_dead_pause_process_makes_its_pod_not_ready(cri: Cri) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, linux=api.LinuxPodSandboxConfig(), hostname="h"))
    pause = (await cri.pod_info(pod))["pid"]
    os.kill(pause, signal.SIGKILL)
    await cri.not_ready(pod)


async def test_a_stop_in_progress_when_the_daemon_dies_loses_no_exit(
    cri: Cri, restart: Restart
) -> None:
    script = "trap 'sleep 1; exit 9' TERM; while :; do usleep 10000; done"
    container = await cri.run(await cri.run_pod(), ["sh", "-c", script])
    await cri.sh(container, "true")
    monitor = (await cri.info(container))["monitorPid"]
    stopping = asyncio.create_task(cri.stop(container, 30))
    await asyncio.sleep(0.3)
    cri = await restart(lambda: gone(monitor))
    await asyncio.gather(stopping, return_exceptions=True)
    status = await cri.status(container)
    assert (status.state, status.exit_code) == (api.CONTAINER_EXITED, 9)


async def test_an_undelivered_pod_is_collected_by_the_retry(cri: Cri) -> None:
    config = pod_config(cri.daemon)
    first = asyncio.create_task(cri.run_pod(config))
    await asyncio.sleep(0.005)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    pod = await cri.run_pod(config)
    assert await cri.pods() == [pod]
