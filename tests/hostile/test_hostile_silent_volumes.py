"""Volumes on a server that does not answer: only calls that use them wait."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import NotFound, Unavailable
from cri_shim.linux import mounts
from cri_shim.pb import api_pb2 as api
from tests.chaos.rig import Rig
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.silent_server import SilentFs, silent_fs

pytestmark = pytest.mark.waits

HUNG = 20
QUICK_S = 5.0  # many times what a call takes on a busy machine; one that waits takes 8 s at least


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon for each test: a restarted one is another process."""
    (tmp_path / "cdi").mkdir()
    settings: dict[str, Any] = {
        "containers.cdi_spec_dirs": [str(tmp_path / "cdi")],
        "default_mounts_file": str(tmp_path / "mounts.conf"),
    }
    with private_daemon(0, **settings) as started:
        yield started


@pytest.fixture
async def rig(daemon: Daemon) -> Any:
    """Calls to the daemon over its deaths; afterwards every pod is removed and leaves nothing."""
    async with Rig(daemon) as calls:
        yield calls
        await calls.cri.remove_all()
        assert daemon.traces() == []


@pytest.fixture
def silent(tmp_path: Path, rig: Rig) -> Iterator[SilentFs]:
    """Ends before pods are removed, so that no mount is busy."""
    with silent_fs(tmp_path / "silent") as fs:
        yield fs


def cdi_device(directory: Path, name: str, **edits: Any) -> str:
    devices = [{"name": "0", "containerEdits": edits}]
    value = {"cdiVersion": "0.6.0", "kind": f"silent.com/{name}", "devices": devices}
    (directory / f"{name}.json").write_text(json.dumps(value))
    return f"silent.com/{name}=0"


def asking(tmp_path: Path, lost: Path) -> dict[str, api.ContainerConfig]:
    """A container for each way to name a path of the node, which lies on a server that is lost."""
    paths = {name: lost / name for name in ("mount", "device", "node", "source", "profile")}
    found = {name: container_config(["true"], name) for name in paths}
    found["mount"].mounts.add(container_path="/data", host_path=str(paths["mount"]))
    found["device"].devices.add(host_path=str(paths["device"]))
    node = {"path": "/dev/gpu", "hostPath": str(paths["node"])}
    name = cdi_device(tmp_path / "cdi", "node", deviceNodes=[node])
    found["node"].CDI_devices.add(name=name)
    mount = {"hostPath": str(paths["source"]), "containerPath": "/lib/gpu"}
    found["source"].CDI_devices.add(name=cdi_device(tmp_path / "cdi", "source", mounts=[mount]))
    seccomp = found["profile"].linux.security_context.seccomp
    seccomp.profile_type = api.SecurityProfile.Localhost
    seccomp.localhost_ref = str(paths["profile"])
    return found


async def every_answer(cri: Cri, pod: str) -> None:
    """Assert that the kubelet's periodic calls and another container take normal time."""
    async with asyncio.timeout(QUICK_S):
        await cri.runtime.Version(api.VersionRequest())
        await cri.runtime.Status(api.StatusRequest(verbose=True))
        await cri.runtime.ListPodSandbox(api.ListPodSandboxRequest())
        await cri.runtime.ListContainerStats(api.ListContainerStatsRequest())
        for container in await cri.containers():
            with contextlib.suppress(NotFound):  # its creation may be undone meanwhile
                await cri.status(container)
    async with asyncio.timeout(2 * QUICK_S):
        other = await cri.run(pod, ["sh", "-c", "exit 3"], "other")
        assert (await cri.exited(other)).exit_code == 3
        other_running = await cri.run(pod, ["sleep", "600"], "running")
        await cri.stop(other_running)
        await cri.remove(other_running)
        await cri.remove(other)


async def test_a_create_names_the_silent_path_and_delays_no_other_call(
    rig: Rig, silent: SilentFs, tmp_path: Path
) -> None:
    cri, pod = rig.cri, await rig.cri.run_pod()
    silent.hang()
    configs = asking(tmp_path, silent.directory)
    calls = {n: asyncio.ensure_future(cri.create(pod, config)) for n, config in configs.items()}
    await rig.until(lambda: len(silent.asked) >= len(calls))
    await every_answer(cri, pod)
    waiting = [name for name, call in calls.items() if not call.done()]
    refusals = await asyncio.gather(*calls.values(), return_exceptions=True)
    assert waiting == list(calls)
    for name, refusal in zip(calls, refusals, strict=True):
        assert isinstance(refusal, Unavailable)
        assert f"{silent.directory}/{name}: the file system it is on did not answer" in str(refusal)
    assert await cri.containers() == []


async def test_a_path_that_still_hangs_is_refused_at_once_and_others_are_not(
    rig: Rig, silent: SilentFs, tmp_path: Path
) -> None:
    cri, pod = rig.cri, await rig.cri.run_pod()
    silent.hang()
    lost = [api.Mount(container_path="/data", host_path=str(silent.directory / "x"))]
    with pytest.raises(Unavailable, match="did not answer within"):
        await cri.create(pod, container_config(["true"], mounts=lost))
    async with asyncio.timeout(QUICK_S):
        with pytest.raises(Unavailable, match="has not answered an earlier call yet"):
            await cri.create(pod, container_config(["true"], mounts=lost))
        fine = [api.Mount(container_path="/data", host_path=str(tmp_path))]
        await cri.create(pod, container_config(["true"], mounts=fine))


@pytest.mark.parametrize(("handler", "below"), [("crun", "x{}"), ("runc", "x{}"), ("runc", "")])
async def test_starts_that_hang_on_a_lost_volume_delay_no_other_call(
    rig: Rig, silent: SilentFs, handler: str, below: str
) -> None:
    """With runc, the OCI runtime itself hangs on the root of the volume."""
    cri, other = rig.cri, await rig.cri.run_pod(handler=handler)
    pods = [await cri.run_pod(handler=handler) for _ in range(HUNG)]
    paths = [str(silent.directory / below.format(n)) for n in range(HUNG)]
    containers = [
        await cri.create(
            pod,
            container_config(
                ["sleep", "60"], mounts=[api.Mount(container_path="/data", host_path=path)]
            ),
        )
        for pod, path in zip(pods, paths, strict=True)
    ]
    silent.hang()
    starts = [asyncio.ensure_future(cri.start(container)) for container in containers]
    await rig.until(lambda: len(silent.asked) >= HUNG)
    await every_answer(cri, other)
    waiting = [start for start in starts if not start.done()]
    results = await asyncio.gather(*starts, return_exceptions=True)
    await every_answer(cri, other)
    assert waiting == starts
    for path, container, result in zip(paths, containers, results, strict=True):
        assert isinstance(result, Unavailable)
        assert str(result).startswith(f"{path}: the file system it is on did not answer")
        status = await cri.status(container)
        assert (status.state, status.reason) == (api.CONTAINER_EXITED, "StartError")
        assert str(result) in status.message
        bundle = rig.daemon.run_root / "containers" / container
        assert mounts.mounts_below(bundle / "sources") == []


@pytest.mark.parametrize(("handler", "below"), [("crun", "x"), ("runc", "")])
async def test_a_daemon_restarts_while_the_kernel_blocks_its_processes(
    rig: Rig, silent: SilentFs, tmp_path: Path, handler: str, below: str
) -> None:
    cri = rig.cri
    pod, other = await cri.run_pod(handler=handler), await cri.run_pod()
    logging = pod_config(rig.daemon)
    logging.log_directory = str(silent.directory / "logs")
    logs = await cri.run_pod(logging)
    path = str(silent.directory / below)
    asked = [api.Mount(container_path="/data", host_path=path)]
    container = await cri.create(pod, container_config(["sleep", "60"], mounts=asked))
    silent.hang()
    calls: list[asyncio.Future[Any]] = [asyncio.ensure_future(cri.start(container))]
    asked_for = asking(tmp_path, silent.directory).values()
    calls += [asyncio.ensure_future(cri.create(pod, config)) for config in asked_for]
    calls.append(asyncio.ensure_future(cri.create(logs, container_config(["true"]))))
    await rig.until(lambda: len(silent.asked) >= len(calls))
    async with asyncio.timeout(4 * QUICK_S):
        await rig.restart()
        await every_answer(rig.cri, other)
    await asyncio.gather(*calls, return_exceptions=True)
    status = await rig.cri.exited(container)
    assert (status.reason, status.exit_code) == ("StartError", 128)
    await rig.until(lambda: len(silent.asked) > 0)


async def test_a_default_mount_that_does_not_answer_is_named_and_takes_no_thread(
    rig: Rig, silent: SilentFs, tmp_path: Path
) -> None:
    pod = await rig.cri.run_pod()
    (tmp_path / "mounts.conf").write_text(f"{silent.directory}/x:/run/x\n")
    silent.hang()
    async with asyncio.timeout(4 * QUICK_S):
        refusals = await asyncio.gather(
            *(rig.cri.create(pod, container_config(["true"], f"c{n}")) for n in range(HUNG)),
            return_exceptions=True,
        )
    (tmp_path / "mounts.conf").write_text("")
    assert all(isinstance(refusal, Unavailable) for refusal in refusals)
    assert f"{silent.directory}/x: the file system" in str(refusals[0])
    await every_answer(rig.cri, pod)


async def test_a_command_on_a_lost_volume_is_not_searched(rig: Rig, silent: SilentFs) -> None:
    """crun binds the volume without asking its server; the container then hangs by itself."""
    pod = await rig.cri.run_pod(handler="crun")
    asked = [api.Mount(container_path="/data", host_path=str(silent.directory))]
    config = container_config(["sleep", "60"], mounts=asked)
    config.envs.add(key="PATH", value=b"/data:/bin")
    container = await rig.cri.create(pod, config)
    silent.hang()
    starting = asyncio.ensure_future(rig.cri.start(container))
    await every_answer(rig.cri, await rig.cri.run_pod())
    await asyncio.gather(starting, return_exceptions=True)
