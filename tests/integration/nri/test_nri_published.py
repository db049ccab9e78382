"""Published plugins, unchanged: some are started by the daemon, some connect."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cri_shim.aio import child
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.daemon import Daemon, private_daemon
from tests.integration.nri.conftest import settings
from tests.nri.program import published

SLEEP = ["sleep", "60"]
STARTED = {
    "logger": "10",
    "device-injector": "20",
    "ulimit-adjuster": "30",
    "network-device-injector": "40",
}
CONNECTED = ("hook-injector", "differ")
LIMIT_S = 60.0


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every plugin, built from the checkout that $NRI_SOURCE names."""
    directory = tmp_path_factory.mktemp("published")
    return {name: published(name, directory) for name in (*STARTED, *CONNECTED)}


@pytest.fixture(scope="module")
def daemon(place: Path, programs: dict[str, Path]) -> Iterator[Daemon]:
    (place / "plugins").mkdir()
    (place / "conf").mkdir()
    for name, index in STARTED.items():
        shutil.copy(programs[name], place / "plugins" / f"{index}-{name}")
    config = f"logFile: {place}/logger.log\nevents: [all]\n"
    (place / "conf" / "10-logger.conf").write_text(config)
    with private_daemon(0, **settings(place), hooks_dir=str(place / "hooks")) as started:
        yield started


async def appears(file: Path, *words: str) -> str:
    """Return the text of a file when it has all of the words."""
    async with asyncio.timeout(LIMIT_S):
        while not file.exists() or not all(word in file.read_text() for word in words):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return file.read_text()


@contextlib.asynccontextmanager
async def connected(program: Path, log: Path, *words: str, ready: str) -> AsyncIterator[None]:
    """Run a plugin that connects by itself, until the block is left."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            program, *words, stdout=output, stderr=output
        )
    try:
        await appears(log, ready)
        yield
    finally:
        process.terminate()
        await process.wait()


async def test_the_logger_sees_the_whole_life(cri: Cri, place: Path, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    await cri.run(pod, SLEEP)
    await cri.remove_pod(pod)

    events = (
        *("Synchronize", "RunPodSandbox", "CreateContainer", "PostCreateContainer"),
        *("StartContainer", "PostStartContainer", "StopContainer", "RemoveContainer"),
        *("StopPodSandbox", "RemovePodSandbox"),
    )
    log = await appears(place / "logger.log", *(f"{event}: " for event in events), pod)
    assert "error" not in log


async def test_the_device_injector(cri: Cri, daemon: Daemon, handler: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the node")
    annotations = {
        "devices.noderesource.dev/container.main": (
            "[{path: /dev/nri-null, type: c, major: 1, minor: 3, file_mode: 432, gid: 7}]"
        ),
        "mounts.noderesource.dev/container.main": (
            f"[{{source: {tmp_path}, destination: /added, type: bind, options: [bind, ro]}}]"
        ),
        "io-priority.noderesource.dev/container.main": ("{class: IOPRIO_CLASS_BE, priority: 5}"),
        "scheduling-policy.noderesource.dev/container.main": "{policy: SCHED_BATCH, nice: 4}",
        "sysctl.noderesource.dev/container.main": ("{net.ipv4.ip_unprivileged_port_start: '55'}"),
        "memory-policy.noderesource.dev/container.main": "{mode: MPOL_BIND, nodes: '0'}",
    }
    pod = await cri.run_pod(pod_config(daemon, annotations=annotations), handler=handler)
    container = await cri.run(pod, SLEEP)

    found = await cri.sh(
        container,
        "echo x > /dev/nri-null && stat -c '%a %g' /dev/nri-null && cat /added/file && echo &&"
        " cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
    )
    assert found.splitlines() == ["660 7", "from the node", "55"]
    pid = (await cri.info(container))["pid"]
    assert os.sched_getscheduler(pid) == os.SCHED_BATCH
    shown = await child.run(["ionice", "-p", str(pid)])
    assert shown.stdout.strip() == b"best-effort: prio 5"
    policies = {line.split()[1] for line in Path(f"/proc/{pid}/numa_maps").read_text().splitlines()}
    assert policies == {"bind:0"}


async def test_the_ulimit_adjuster(cri: Cri, daemon: Daemon, handler: str) -> None:
    key = "ulimits.noderesource.dev/container.main"
    annotations = {key: "[{type: nofile, hard: 200, soft: 100}, {type: core, hard: 5, soft: 4}]"}
    pod = await cri.run_pod(pod_config(daemon, annotations=annotations), handler=handler)
    container = await cri.run(pod, SLEEP)

    limits = Path(f"/proc/{(await cri.info(container))['pid']}/limits").read_text().splitlines()
    found = {line[:25].strip(): line[25:].split()[:2] for line in limits}
    assert found["Max open files"] == ["100", "200"]
    assert found["Max core file size"] == ["4", "5"]


@pytest.fixture
def interface() -> Iterator[str]:
    names = f"cstp{os.getpid() % 10**6}", f"cstq{os.getpid() % 10**6}"
    ip = ["ip", "link", "add", names[0], "type", "veth", "peer", "name", names[1]]
    subprocess.run(ip, check=True)
    yield names[0]
    subprocess.run(["ip", "link", "delete", names[1]], check=True)


async def test_the_network_device_injector_moves_a_device_and_takes_it_back(
    cri: Cri, daemon: Daemon, interface: str
) -> None:
    value = f"[{{name: {interface}, new_name: data0}}]"
    pod = await cri.run_pod(pod_config(daemon, annotations={"netdevice.noderesource.dev": value}))
    container = await cri.run(pod, SLEEP)

    assert "data0" in await cri.sh(container, "ls /sys/class/net")
    assert not Path(f"/sys/class/net/{interface}").exists()
    await cri.stop_pod(pod)
    assert Path(f"/sys/class/net/{interface}").exists()


async def test_the_hook_injector(
    cri: Cri, place: Path, programs: dict[str, Path], tmp_path: Path
) -> None:
    definitions = Path("/etc/containers/oci/hooks.d")
    made = [path for path in (definitions.parent, definitions) if not path.exists()]
    definitions.mkdir(parents=True, exist_ok=True)
    file = definitions / f"cst-nri-{os.getpid()}.json"
    file.write_text(
        '{"version": "1.0.0", "when": {"annotations": {"^cst-nri$": "yes"}}, "stages":'
        f' ["poststart"], "hook": {{"path": "/bin/touch", "args": ["touch", "{tmp_path}/ran"]}}}}'
    )
    words = ("-socket-path", str(place / "nri.sock"), "-idx", "50", "-disableWatch")
    try:
        log = tmp_path / "log"
        async with connected(
            programs["hook-injector"], log, *words, ready="Started plugin 50-hook-injector"
        ):
            pod = await cri.run_pod()
            await cri.run(pod, SLEEP, annotations={"cst-nri": "yes"})
    finally:
        file.unlink()
        for path in reversed(made):
            path.rmdir()

    assert (tmp_path / "ran").exists()


async def test_the_differ_shows_what_the_plugins_between_changed(
    cri: Cri, daemon: Daemon, place: Path, programs: dict[str, Path], tmp_path: Path
) -> None:
    words = ("-socket-path", str(place / "nri.sock"), "-indices", "00,99")
    key = "ulimits.noderesource.dev/container.main"
    config = pod_config(daemon, annotations={key: "[{type: nofile, hard: 200, soft: 100}]"})
    log = tmp_path / "log"
    async with connected(programs["differ"], log, *words, ready="Started plugin 99-differ"):
        pod = await cri.run_pod(config)
        await cri.run(pod, SLEEP)
        shown = await appears(log, "PostStartContainer")

    assert "RLIMIT_NOFILE" in shown
