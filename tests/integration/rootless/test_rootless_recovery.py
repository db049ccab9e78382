"""A rootless daemon dies: the next one finds the same namespaces and their processes."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from cri_shim.errors import Unavailable
from cri_shim.linux import process
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri, container_config, log_lines
from tests.fixtures.user import UserDaemon, alive, kill, user_daemon
from tests.fixtures.user_machine import Machine
from tests.fixtures.user_pods import another_process, on_the_node, process_of


@pytest.fixture(params=["pasta", "slirp4netns"])
def program(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def daemon(node: Machine) -> Iterator[UserDaemon]:
    with user_daemon(node) as started:
        yield started


@pytest.fixture
def networked(node: Machine, program: str) -> Iterator[UserDaemon]:
    with user_daemon(node, **{"network.user_mode": program}) as started:
        yield started


def user_namespace(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/user")  # noqa: PTH115


async def test_the_next_daemon_is_in_the_same_namespaces_and_finds_everything(
    daemon: UserDaemon,
) -> None:
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        pod = await cri.run_pod(on_the_node(daemon))
        running = await cri.run(pod, ["sh", "-c", "echo before; sleep 1000"], "running")
        created = await cri.create(pod, container_config(["cat", "/etc/hostname"], "created"))
        await cri.sh(running, "echo kept >/tmp/file")
    before = user_namespace(daemon.pid)
    daemon.kill()
    daemon.start()
    assert user_namespace(daemon.pid) == before
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        assert (await cri.pod_status(pod)).state == api.SANDBOX_READY
        assert (await cri.sh(running, "cat /tmp/file")) == "kept\n"
        await cri.start(created)
        assert (await cri.exited(created)).exit_code == 0
        await cri.stop(running)
        assert log_lines(await cri.exited(running)) == ["before"]
        await cri.remove_pod(pod)
    assert daemon.traces() == []


async def test_the_namespaces_are_found_by_containers_if_the_holder_is_dead(
    daemon: UserDaemon,
) -> None:
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        pod = await cri.run_pod(on_the_node(daemon))
        container = await cri.run(pod, ["sleep", "1000"])
    before, holder = user_namespace(daemon.pid), daemon.holder()
    daemon.kill()
    kill(holder)
    daemon.start()
    assert user_namespace(daemon.pid) == before
    assert daemon.holder() != holder
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        assert (await cri.sh(container, "echo here")) == "here\n"
        await cri.remove_pod(pod)


async def test_namespaces_are_held_over_a_stop_while_a_pod_is_there(daemon: UserDaemon) -> None:
    async with Client(daemon.socket) as client:
        pod = await Cri(daemon, client).run_pod(on_the_node(daemon))
    holder = daemon.holder()
    daemon.stop()
    assert alive(holder)
    daemon.start()
    assert daemon.holder() == holder
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        assert (await cri.pod_status(pod)).state == api.SANDBOX_READY
        await cri.remove_pod(pod)


async def test_namespaces_end_with_a_daemon_that_leaves_nothing(daemon: UserDaemon) -> None:
    holder = daemon.holder()
    daemon.stop()
    assert not alive(holder)
    assert not (daemon.run_root / "holder").exists()
    assert daemon.machine.remaining() == {}


async def test_a_process_with_the_holders_reused_pid_is_not_joined(
    daemon: UserDaemon,
) -> None:
    daemon.stop()
    other = os.getpid()
    started = process.start_time(other)
    assert started is not None
    (daemon.run_root / "holder").write_text(f"{other} {started - 1}\n")
    os.chown(daemon.run_root / "holder", daemon.machine.uid, daemon.machine.uid)
    daemon.start()
    assert daemon.holder() != other
    assert user_namespace(daemon.pid) != user_namespace(other)


async def test_a_network_outlives_the_daemon_and_ends_with_its_pod(networked: UserDaemon) -> None:
    async with Client(networked.socket) as client:
        cri = Cri(networked, client)
        pod = await cri.run_pod()
        pid = await process_of(cri, pod)
    networked.kill()
    networked.start()
    assert alive(pid)
    async with Client(networked.socket) as client:
        cri = Cri(networked, client)
        assert (await cri.pod_status(pod)).state == api.SANDBOX_READY
        await cri.remove_pod(pod)
    assert not alive(pid)
    assert networked.traces() == []


async def test_a_network_that_died_with_the_daemon_is_there_again(networked: UserDaemon) -> None:
    async with Client(networked.socket) as client:
        cri = Cri(networked, client)
        pod = await cri.run_pod()
        pid = await process_of(cri, pod)
    networked.kill()
    kill(pid)
    networked.start()
    assert alive(await another_process(networked, pod, pid))
    async with Client(networked.socket) as client:
        await Cri(networked, client).remove_pod(pod)
    assert networked.traces() == []


async def test_a_daemon_that_stops_replaces_a_holder_that_was_killed(daemon: UserDaemon) -> None:
    async with Client(daemon.socket) as client:
        pod = await Cri(daemon, client).run_pod(on_the_node(daemon))
    kill(daemon.holder())
    daemon.stop()
    daemon.start()
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        assert (await cri.pod_status(pod)).state == api.SANDBOX_READY
        await cri.remove_pod(pod)


@pytest.fixture
def frail(node: Machine, program: str) -> Iterator[UserDaemon]:
    """A daemon that dies at the point which its file of faults names."""
    faults = node.directory / "faults"
    node.environment = {"CRI_SHIM_FAULTS": str(faults)}
    try:
        with user_daemon(node, **{"network.user_mode": program}) as started:
            started.faults = faults
            yield started
    finally:
        node.environment = {}
        faults.unlink(missing_ok=True)


@pytest.mark.parametrize("point", ["network.user.start", "network.user.record"])
async def test_a_half_made_network_is_removed(frail: UserDaemon, point: str) -> None:
    frail.faults.write_text(f"{point} kill\n")
    async with Client(frail.socket) as client:
        with pytest.raises(Unavailable):
            await Cri(frail, client).run_pod()
    frail.wait_dead()
    frail.faults.unlink()
    frail.start()
    assert frail.traces() == []


@pytest.mark.parametrize("point", ["network.user.end", "network.user.forget"])
async def test_a_half_removed_network_is_removed(frail: UserDaemon, point: str) -> None:
    async with Client(frail.socket) as client:
        cri = Cri(frail, client)
        pod = await cri.run_pod()
        frail.faults.write_text(f"{point} kill\n")
        with pytest.raises(Unavailable):
            await cri.remove_pod(pod)
    frail.wait_dead()
    frail.faults.unlink()
    frail.start()
    assert frail.traces() == []


def test_a_process_of_another_user_named_conmon_is_not_joined(daemon: UserDaemon) -> None:
    daemon.stop()
    argv = ["conmon", "-c", "x", "--persist-dir", str(daemon.run_root / "containers/x")]
    with subprocess.Popen(["sh", "-c", "read line", *argv], stdin=subprocess.PIPE) as stranger:
        daemon.start()
        stranger.kill()
    assert user_namespace(daemon.pid) != user_namespace(os.getpid())
