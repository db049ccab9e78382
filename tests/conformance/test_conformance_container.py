"""critest container.go and container_linux.go: life, attributes, commands, logs, memory."""

import time
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import TimedOut
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, log_lines, pod_config

TOP = ["sh", "-c", "top"]
STOP_S = 10  # what a process that listens to SIGTERM may take at most


async def shared_pid_pod(cri: Cri, handler: str = "") -> str:
    """A pod as critest requests it: without options, so that its containers share pids."""
    config = pod_config(cri.daemon, hostname="specs", linux=api.LinuxPodSandboxConfig())
    return await cri.run_pod(config, handler)


def plain(command: list[str], **fields: Any) -> api.ContainerConfig:
    """A container without options."""
    return container_config(command, linux=api.LinuxContainerConfig(), **fields)


async def running(cri: Cri, pod: str, config: api.ContainerConfig) -> str:
    container = await cri.create(pod, config)
    await cri.start(container)
    return container


async def test_runtime_should_support_creating_container(cri: Cri, handler: str) -> None:
    pod = await shared_pid_pod(cri, handler)
    container = await cri.create(pod, plain(TOP))

    status = await cri.status(container)

    assert await cri.containers(id=container) == [container]
    assert status.state == api.CONTAINER_CREATED
    assert status.created_at > 0
    assert (status.started_at, status.finished_at, status.exit_code) == (0, 0, 0)
    assert status.image.image
    assert status.image_ref


async def test_runtime_should_support_preserving_container_attributes(cri: Cri) -> None:
    pod = await shared_pid_pod(cri)
    config = api.ContainerConfig(
        metadata=api.ContainerMetadata(name="kept", attempt=2),
        image=container_config([]).image,
        labels={"foo": "bar"},
        annotations={"abc": "def"},
    )
    container = await cri.create(pod, config)

    status = await cri.status(container)
    rows = await cri.runtime.ListContainers(
        api.ListContainersRequest(filter=api.ContainerFilter(id=container))
    )

    (row,) = rows.containers
    for told in (status, row):
        assert told.metadata == config.metadata
        assert dict(told.labels) == {"foo": "bar"}
        assert dict(told.annotations) == {"abc": "def"}
    assert row.pod_sandbox_id == pod


async def test_runtime_should_support_starting_container(cri: Cri, handler: str) -> None:
    pod = await shared_pid_pod(cri, handler)
    container = await running(cri, pod, plain(TOP))

    status = await cri.status(container)

    assert status.state == api.CONTAINER_RUNNING
    assert status.started_at >= status.created_at


async def test_runtime_should_support_stopping_container(cri: Cri, handler: str) -> None:
    pod = await shared_pid_pod(cri, handler)
    container = await running(cri, pod, plain(TOP))
    begin = time.monotonic()

    await cri.stop(container, 60)

    assert time.monotonic() - begin < STOP_S
    assert (await cri.status(container)).state == api.CONTAINER_EXITED


@pytest.mark.parametrize("steps", [[], ["start"], ["start", "stop"]])
async def test_runtime_should_support_removing_created_running_and_stopped_container(
    cri: Cri, handler: str, steps: list[str]
) -> None:
    container = await cri.create(await shared_pid_pod(cri, handler), plain(TOP))
    for step in steps:
        await getattr(cri, step)(container)

    await cri.remove(container)

    assert await cri.containers(id=container) == []


async def test_runtime_should_support_exec_sync(cri: Cri, handler: str) -> None:
    container = await running(cri, await shared_pid_pod(cri, handler), plain(TOP))

    answer = await cri.exec(container, "echo", "-n", "hello")

    assert (answer.stdout, answer.stderr, answer.exit_code) == (b"hello", b"", 0)


async def test_runtime_should_support_exec_sync_with_timeout(cri: Cri, handler: str) -> None:
    container = await running(cri, await shared_pid_pod(cri, handler), plain(TOP))

    with pytest.raises(TimedOut):
        await cri.exec(container, "sleep", "4321", timeout=1)

    # Not even a zombie of it is seen by the next command.
    assert "sleep" not in await cri.sh(container, "cat /proc/[0-9]*/comm 2>/dev/null")


@pytest.mark.parametrize("through", ["directory", "link"])
async def test_runtime_should_support_starting_container_with_volume(
    cri: Cri, handler: str, tmp_path: Path, through: str
) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "file").touch()
    (tmp_path / "link").symlink_to("directory")
    path = str(tmp_path / through)
    mount = api.Mount(host_path=path, container_path=path, selinux_relabel=True)
    pod = await shared_pid_pod(cri, handler)

    container = await running(cri, pod, plain(TOP, mounts=[mount]))

    assert await cri.sh(container, f"ls -A {path}") == "file\n"
    (told,) = (await cri.status(container)).mounts
    assert (told.host_path, told.container_path) == (path, path)


async def test_runtime_should_support_starting_container_with_log(cri: Cri, handler: str) -> None:
    pod = await shared_pid_pod(cri, handler)
    container = await running(cri, pod, plain(["echo", "hello World"]))

    assert log_lines(await cri.exited(container)) == ["hello World"]  # at once, and only once


async def test_runtime_should_support_reopening_container_log(cri: Cri, handler: str) -> None:
    script = "while true; do echo hello World; usleep 20000; done"
    pod = await shared_pid_pod(cri, handler)
    container = await running(cri, pod, plain(["sh", "-c", script]))
    log = Path((await cri.status(container)).log_path)
    old = log.with_suffix(".old")
    log.rename(old)

    await cri.runtime.ReopenContainerLog(api.ReopenContainerLogRequest(container_id=container))

    assert log.exists()
    size = old.stat().st_size
    await cri.sh(container, "usleep 200000")
    assert old.stat().st_size == size
    await cri.stop(container, 0)
    assert "hello World" in log_lines(await cri.status(container))


async def test_should_terminate_with_exit_code_137_and_reason_oom_killed(
    cri: Cri, handler: str
) -> None:
    limit = 15 << 20
    config = plain(["sh", "-c", "dd if=/dev/zero of=/dev/null bs=20M"])
    config.linux.resources.memory_limit_in_bytes = limit
    config.linux.resources.memory_swap_limit_in_bytes = limit
    container = await running(cri, await shared_pid_pod(cri, handler), config)

    status = await cri.exited(container)

    assert (status.exit_code, status.reason) == (137, "OOMKilled")


@pytest.mark.parametrize(
    ("script", "exit_code", "reason"), [("exit 0", 0, "Completed"), ("exit 3", 3, "Error")]
)
async def test_an_end_has_the_reason_that_the_kubelet_shows(
    cri: Cri, script: str, exit_code: int, reason: str
) -> None:
    container = await running(cri, await shared_pid_pod(cri), plain(["sh", "-c", script]))

    status = await cri.exited(container)

    assert (status.exit_code, status.reason) == (exit_code, reason)
    assert status.finished_at >= status.started_at > 0
