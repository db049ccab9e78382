"""Containers over the CRI: create, start, end, stop, remove, and refusals."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from cri_shim.errors import (
    AlreadyExists,
    CriShimError,
    InvalidArgument,
    NotFound,
    ToolFailed,
    WrongState,
)
from cri_shim.pb import api_pb2 as api
from tests.fixtures import limits
from tests.fixtures.cri import Cri, container_config, log_lines


async def test_a_container_goes_from_created_to_running_to_exited(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.create(pod, container_config(["sh", "-c", "echo out; echo err >&2"]))
    status = await cri.status(container)
    assert (status.state, status.started_at) == (api.CONTAINER_CREATED, 0)
    await cri.start(container)
    status = await cri.exited(container)
    assert (status.exit_code, status.reason) == (0, "Completed")
    assert 0 < status.created_at <= status.started_at <= status.finished_at
    assert sorted(log_lines(status)) == ["err", "out"]


async def test_exit_codes_and_signals_are_reported(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    three = await cri.exited(await cri.run(pod, ["sh", "-c", "exit 3"], "three"))
    assert (three.exit_code, three.reason) == (3, "Error")
    killed = await cri.run(pod, ["sleep", "600"], "killed")
    os.kill((await cri.info(killed))["pid"], signal.SIGKILL)
    status = await cri.exited(killed)
    assert (status.exit_code, status.reason) == (137, "Error")


@pytest.mark.parametrize(
    "command",
    ["/no/such/program", "no-such-name", "/etc", "/etc/passwd", "/etc/passwd/x", "/vol/script"],
)
async def test_a_command_that_cannot_be_executed_is_a_start_error_that_names_it(
    cri: Cri, handler: str, tmp_path: Path, command: str
) -> None:
    (tmp_path / "script").write_text("#!/no/interpreter\n")
    (tmp_path / "script").chmod(0o755)
    pod = await cri.run_pod(handler=handler)
    mount = api.Mount(host_path=str(tmp_path), container_path="/vol")
    container = await cri.create(pod, container_config([command], mounts=[mount]))
    with pytest.raises(ToolFailed, match=command):
        await cri.start(container)
    status = await cri.status(container)
    assert status.state == api.CONTAINER_EXITED
    assert (status.exit_code, status.reason) == (128, "StartError")
    assert command in status.message
    assert status.finished_at > 0


async def test_running_out_of_memory_is_reported(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    config = container_config(["sh", "-c", "dd if=/dev/zero of=/dev/null bs=60M"])
    config.linux.resources.memory_limit_in_bytes = 20 << 20
    config.linux.resources.memory_swap_limit_in_bytes = 20 << 20
    container = await cri.create(pod, config)
    await cri.start(container)
    status = await cri.exited(container)
    assert (status.exit_code, status.reason) == (137, "OOMKilled")


async def test_starting_twice_is_refused(cri: Cri) -> None:
    pod = await cri.run_pod()
    container = await cri.run(pod, ["sleep", "60"])
    with pytest.raises(WrongState, match="only a created one can be started"):
        await cri.start(container)


async def test_stop_sends_the_stop_signal_and_waits_for_the_end(cri: Cri) -> None:
    pod = await cri.run_pod()
    script = "trap 'echo bye; exit 7' TERM; while :; do usleep 10000; done"
    container = await cri.run(pod, ["sh", "-c", script])
    await cri.sh(container, "true")
    await cri.stop(container, 10)
    status = await cri.status(container)
    assert (status.state, status.exit_code) == (api.CONTAINER_EXITED, 7)
    assert log_lines(status) == ["bye"]


async def test_stop_uses_the_signal_that_was_configured(cri: Cri) -> None:
    pod = await cri.run_pod()
    script = "trap 'exit 5' USR1; while :; do usleep 10000; done"
    config = container_config(["sh", "-c", script], stop_signal=api.SIGNAL_SIGUSR1)
    container = await cri.create(pod, config)
    await cri.start(container)
    await cri.sh(container, "true")
    await cri.stop(container, 10)
    status = await cri.status(container)
    assert (status.exit_code, status.stop_signal) == (5, api.SIGNAL_SIGUSR1)


async def test_a_shorter_stop_shortens_a_longer_one(cri: Cri) -> None:
    pod = await cri.run_pod()
    container = await cri.run(pod, ["sleep", "600"])  # init ignores TERM without a handler
    begin = time.monotonic()
    long = asyncio.create_task(cri.stop(container, 60))
    await asyncio.sleep(0.2)
    await cri.stop(container, 0)
    await long
    assert time.monotonic() - begin < 20
    assert (await cri.status(container)).exit_code == 137


async def test_a_stop_continues_if_its_caller_is_cancelled(cri: Cri) -> None:
    pod = await cri.run_pod()
    container = await cri.run(pod, ["sleep", "600"])
    request = api.StopContainerRequest(container_id=container, timeout=1)
    with pytest.raises(CriShimError):
        await cri.runtime.StopContainer(request, timeout=0.2)
    assert (await cri.exited(container)).exit_code == 137


async def test_stopping_an_ended_container_and_removing_twice_is_success(cri: Cri) -> None:
    pod = await cri.run_pod()
    container = await cri.run(pod, ["true"])
    await cri.exited(container)
    await cri.stop(container, 5)
    await cri.remove(container)
    await cri.remove(container)
    with pytest.raises(NotFound):
        await cri.status(container)


async def test_removing_a_running_container_ends_it(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "600"])
    info = await cri.info(container)
    await cri.remove(container)
    assert not Path(f"/proc/{info['pid']}").exists()
    assert not Path(info["bundle"]).exists()
    assert await cri.containers() == []


async def test_the_same_name_in_a_pod_is_refused_until_the_first_is_removed(cri: Cri) -> None:
    pod = await cri.run_pod()
    first = await cri.create(pod, container_config(["true"]))
    with pytest.raises(AlreadyExists, match=first[:12]):
        await cri.create(pod, container_config(["true"]))
    await cri.remove(first)
    await cri.create(pod, container_config(["true"]))


async def test_a_failed_create_names_its_cause_and_leaves_nothing(cri: Cri) -> None:
    pod = await cri.run_pod()
    missing_source = container_config(["true"])
    missing_source.mounts.add(host_path="/no/such/dir", container_path="/data")
    unknown_user = container_config(["true"])
    unknown_user.linux.security_context.run_as_username = "nobody-here"
    missing_device = container_config(["true"])
    missing_device.devices.add(host_path="/dev/nothing", container_path="/dev/x")
    privileged = container_config(["true"])
    privileged.linux.security_context.privileged = True
    refused = {
        "config.mounts[0].host_path": missing_source,
        "run_as_username": unknown_user,
        "config.devices[0].host_path": missing_device,
        "config.linux.security_context.privileged": privileged,
    }
    for field, config in refused.items():
        with pytest.raises(InvalidArgument) as error:
            await cri.create(pod, config)
        assert field in str(error.value)
    with pytest.raises(NotFound, match=r"nowhere/image:1 is not on this node"):
        await cri.create(pod, container_config(["true"], image="nowhere/image:1"))
    with pytest.raises(NotFound, match="no pod with id"):
        await cri.create("f" * 64, container_config(["true"]))
    assert await cri.containers() == []
    assert list((cri.daemon.root / "containers").glob("[!.]*")) == []  # out of sight, then deleted
    assert list((cri.daemon.run_root / "containers").glob("*")) == []


async def test_lists_filter_by_pod_state_id_and_label(cri: Cri) -> None:
    one, two = await cri.run_pod(), await cri.run_pod()
    running = await cri.run(one, ["sleep", "60"], labels={"tier": "db"})
    created = await cri.create(two, container_config(["true"]))
    value = api.ContainerStateValue(state=api.CONTAINER_RUNNING)
    assert await cri.containers(pod_sandbox_id=one) == [running]
    assert await cri.containers(state=value) == [running]
    assert await cri.containers(label_selector={"tier": "db"}) == [running]
    assert await cri.containers(id=created[:12]) == [created]


async def test_the_status_has_image_user_mounts_and_resources(cri: Cri, tmp_path: Path) -> None:
    pod = await cri.run_pod()
    config = container_config(["sleep", "60"], annotations={"a": "b"})
    config.mounts.add(host_path=str(tmp_path), container_path="/data", readonly=True)
    config.linux.resources.cpu_shares = 512
    config.linux.security_context.run_as_username = "web"
    container = await cri.create(pod, config)
    await cri.start(container)
    status = await cri.status(container)
    assert status.image.image == config.image.image
    assert len(status.image_id) == 64
    assert list(status.mounts) == list(config.mounts)
    assert status.resources.linux.cpu_shares == 512
    user = status.user.linux
    assert (user.uid, user.gid, list(user.supplemental_groups)) == (1000, 1000, [50, 1000])
    assert await cri.sh(container, "id -u; id -g") == "1000\n1000\n"
    assert dict(status.annotations) == {"a": "b"}
    assert status.log_path.endswith("main.log")


async def test_limits_can_be_changed_while_it_runs_and_before(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    for start_first in (True, False):
        config = container_config(["sleep", "60"], f"c{start_first}")
        config.linux.resources.memory_limit_in_bytes = 64 << 20
        container = await cri.create(pod, config)
        steps = [cri.start(container), update(cri, container)]
        for step in steps if start_first else reversed(steps):
            await step
        status = await cri.status(container)
        assert status.resources.linux.memory_limit_in_bytes == 128 << 20
        assert status.resources.linux.cpu_shares == 300
        wanted = {"memory_limit_in_bytes": 128 << 20, "cpu_shares": 300}
        assert limits.in_force((await cri.info(container))["pid"], wanted) == wanted


async def update(cri: Cri, container: str) -> None:
    asked = api.LinuxContainerResources(
        memory_limit_in_bytes=128 << 20, memory_swap_limit_in_bytes=128 << 20, cpu_shares=300
    )
    await cri.runtime.UpdateContainerResources(
        api.UpdateContainerResourcesRequest(container_id=container, linux=asked)
    )


async def test_a_renamed_log_is_reopened_without_losing_a_line(cri: Cri) -> None:
    pod = await cri.run_pod()
    script = "i=0; while [ $i -lt 300 ]; do echo line$i; i=$((i+1)); usleep 1000; done"
    container = await cri.run(pod, ["sh", "-c", script])
    log = Path((await cri.status(container)).log_path)
    kept = log.with_suffix(".old")
    log.rename(kept)
    await cri.runtime.ReopenContainerLog(api.ReopenContainerLogRequest(container_id=container))
    status = await cri.exited(container)
    lines = [r.split(" ", 3)[3] for r in kept.read_text().splitlines()] + log_lines(status)
    assert lines == [f"line{i}" for i in range(300)]


async def test_reopening_the_log_of_an_ended_container_is_refused(cri: Cri) -> None:
    pod = await cri.run_pod()
    container = await cri.run(pod, ["true"])
    await cri.exited(container)
    with pytest.raises(WrongState, match="not running"):
        await cri.runtime.ReopenContainerLog(api.ReopenContainerLogRequest(container_id=container))
