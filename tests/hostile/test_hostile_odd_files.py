"""Odd files in every place that the daemon reads: it starts, names them, and pods run."""

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.chaos import world
from tests.chaos.rig import mortal_daemon
from tests.fixtures import busybox, odd_files
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.daemon import Daemon, private_daemon

CDI = {
    "cdiVersion": "0.6.0",
    "kind": "good.com/gpu",
    "devices": [{"name": "0", "containerEdits": {"env": ["CDI=good"]}}],
}
HOOK = {
    "version": "1.0.0",
    "hook": {"path": "/bin/true"},
    "when": {"always": True},
    "stages": ["prestart"],
}


def fill(directory: Path, ending: str) -> None:
    """One of every odd file."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, make in enumerate(odd_files.ALL.values()):
        make(directory / f"{number:02}-odd{ending}")
    long = directory / f"zz-long{ending}"
    long.write_text(json.dumps({"cniVersion": "1.0.0", "name": "n" * 5000, "type": "t" * 5000}))
    Path(os.fsdecode(bytes(directory) + b"/\xff" + ending.encode())).write_text("{")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directories and files of others, all of them odd, and a good one here and there."""
    where = tmp_path_factory.mktemp("odd")
    for ending in (".conflist", ".conf", ".json"):
        fill(where / "net.d", ending)
    fill(where / "hooks.d", ".json")
    (where / "hooks.d" / "good.json").write_text(json.dumps(HOOK))
    for ending in (".json", ".yaml"):
        fill(where / "cdi", ending)
    (where / "cdi" / "good.json").write_text(json.dumps(CDI))
    fill(where / "registries.conf.d", ".conf")
    (where / "registries.conf").write_text("a = " + "[" * 5000)
    lines = [
        "nonsense",
        "/no\0where:/x",
        "/dev/zero:/zero",
        "/x:/" + "y" * 5000,
        "/proc/self/mem:/m",
    ]
    lines += [f"{where}:", ":", "/etc/hostname:/good"]
    (where / "mounts.conf").write_bytes("\n".join(lines).encode() + b"\n/\xff:/\xff\n")
    return where


@pytest.fixture(scope="module")
def daemon(odd: Path) -> Iterator[Daemon]:
    with private_daemon() as started:
        started.stop()
        started.settings |= {
            "cni_config_dir": str(odd / "net.d"),
            "hooks_dir": [str(odd / "hooks.d")],
            "default_mounts_file": str(odd / "mounts.conf"),
            "image.registries_conf": str(odd / "registries.conf"),
            "containers.cdi_spec_dirs": [str(odd / "cdi")],
        }
        started.start()
        yield started


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        await calls.remove_all()


def node_network() -> api.PodSandboxConfig:
    config = api.PodSandboxConfig(metadata=api.PodSandboxMetadata(name="p", uid="u", namespace="n"))
    options = config.linux.security_context.namespace_options
    options.network, options.pid = api.NODE, api.CONTAINER
    return config


async def test_a_container_runs_beside_odd_files_of_every_kind(cri: Cri, odd: Path) -> None:
    pod = await cri.run_pod(node_network())
    config = container_config(["sleep", "600"], CDI_devices=[api.CDIDevice(name="good.com/gpu=0")])
    container = await cri.create(pod, config)
    await cri.start(container)
    assert await cri.sh(container, "echo $CDI; cat /good >/dev/null && echo mounted") == (
        "good\nmounted\n"
    )
    log = cri.daemon.log.read_text()
    for named in ("net.d/00-odd.conflist", "hooks.d/00-odd.json", "registries.conf", "mounts.conf"):
        assert f"{odd}/{named}" in log


@pytest.fixture
def own() -> Iterator[Daemon]:
    with mortal_daemon({}) as started:
        yield started
        world.kill_all(started)  # of a daemon that did not start again


async def test_a_good_network_among_odd_files_is_used(own: Daemon, odd: Path) -> None:
    plugin: dict[str, object] = {"type": "bridge", "bridge": own.bridge, "isGateway": True}
    leases = str(own.root / "cni" / "networks")
    plugin["ipam"] = {"type": "host-local", "subnet": own.subnet, "dataDir": leases}
    whole = {"cniVersion": "1.0.0", "name": "good", "plugins": [plugin]}
    (odd / "net.d" / "99-good.conflist").write_text(json.dumps(whole))
    own.stop()
    own.settings["cni_config_dir"] = str(odd / "net.d")
    own.start()
    async with Client(own.socket) as client:
        cri = Cri(own, client)
        pod = await cri.run_pod()
        assert (await cri.pod_status(pod)).network.ip
        await cri.remove_pod(pod)


OURS: dict[str, Callable[[Daemon], Path]] = {
    "mark of the boot": lambda d: d.run_root / "alive",
    "mark of the state": lambda d: d.run_root / "state",
    "memory of crun": lambda d: d.run_root / "handlers" / "crun.json",
    "pod": lambda d: d.run_root / "pods" / "odd",
    "bundle": lambda d: d.run_root / "containers" / "odd",
    "mounted image": lambda d: d.run_root / "images" / "odd",
    "credential": lambda d: d.run_root / "secrets" / "odd",
    "command": lambda d: d.run_root / "exec" / "odd",
    "writable layer": lambda d: d.root / "containers" / "odd",
    "layer": lambda d: d.root / "layers" / "odd",
    "recipe": lambda d: d.root / "recipes" / "odd",
    "blob": lambda d: d.root / "images" / "blobs" / "sha256" / "odd",
    "layout": lambda d: d.root / "images" / "layouts" / "odd",
    "cached CNI result": lambda d: d.root / "cni" / "results" / "odd",
    "pod subnet": lambda d: d.root / "cni" / "pod-cidr",
    "file of LevelDB": lambda d: d.root / "state" / "999999.ldb",
    "reserve": lambda d: d.root / "reserve" / "odd",
}
SHAPES = ("binary", "a directory", "a FIFO", "a link to nowhere", "a link to itself", "a device")


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_daemon_starts_with_odd_files_in_all_its_directories(
    own: Daemon, shape: str
) -> None:
    async with Client(own.socket) as client:
        cri = Cri(own, client)
        pod = await cri.run_pod()
        container = await cri.run(pod, ["sleep", "600"])
    own.kill()
    for place in OURS.values():
        path = place(own)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        odd_files.ALL[shape](path)
    own.start()
    async with Client(own.socket) as client:
        cri = Cri(own, client)
        assert await cri.sh(container, "echo served") == "served\n"
        other = await cri.run(pod, ["true"], name="other", image=busybox.NAME)
        assert (await cri.exited(other)).exit_code == 0
        await cri.remove_all()
