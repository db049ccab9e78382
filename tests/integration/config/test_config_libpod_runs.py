"""A daemon on the libpod.conf of an old podman installation, whose tmp_dir has a symlink in it."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures import busybox
from tests.fixtures.cri import Cri, log_lines
from tests.fixtures.daemon import Daemon

OLD = Path(__file__).parents[2] / "unit" / "config" / "libpod" / "2018.conf"


class OnLibpodConf(Daemon):
    """Configured by that file alone; only its directories are this test's own."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        (directory / "run").mkdir()
        (directory / "var").mkdir()
        (directory / "var" / "run").symlink_to("../run")  # as on any machine of those days
        self.root = directory / "storage" / "libpod" / "cri-shim"
        self.run_root = directory / "var" / "run" / "libpod" / "cri-shim"
        self.socket = self.run_root / "cri-shim.sock"
        self._write_network()

    def command(self) -> list[str]:
        here = self.directory
        text = OLD.read_text()
        for path, own in {
            "/var/lib/containers/storage/libpod": here / "storage" / "libpod",
            "/var/run/libpod": here / "var" / "run" / "libpod",
            "/etc/cni/net.d": here / "net.d",
            "/usr/share/containers/oci/hooks.d": here / "hooks.d",
            "/srv/hooks.d": here / "hooks.d",
        }.items():
            text = text.replace(f'"{path}', f'"{own}')
        (here / "hooks.d").mkdir(exist_ok=True)
        (here / "libpod.conf").write_text(text)
        return [sys.executable, "-m", "cri_shim", "--config", str(here / "libpod.conf"), "serve"]

    def _write_network(self) -> None:
        """The files of podman's package beside the file, with their leases in a separate place."""
        leases = str(self.directory / "leases")
        ranges = [[{"subnet": self.subnet}]]
        bridge = {
            "type": "bridge", "bridge": self.bridge, "isGateway": True,
            "ipam": {"type": "host-local", "ranges": ranges, "dataDir": leases},
        }  # fmt: skip
        conflist = {"cniVersion": "0.4.0", "name": "podman", "plugins": [bridge]}
        (self.directory / "net.d").mkdir()
        file = self.directory / "net.d" / "87-podman-bridge.conflist"
        file.write_text(json.dumps(conflist))


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="cst", dir="/tmp") as directory:
        started = OnLibpodConf(Path(directory))
        try:
            started.start()
            asyncio.run(started.load(busybox.archive(started.directory / "busybox.tar")))
            yield started
        finally:
            started.end()


async def test_a_daemon_with_a_libpod_conf_runs_containers_and_leaves_nothing(cri: Cri) -> None:
    pod = await cri.run_pod()
    container = await cri.run(pod, ["sh", "-c", "echo works; exec sleep 60"])
    assert await cri.sh(container, "echo inside") == "inside\n"
    assert log_lines(await cri.status(container)) == ["works"]
    unknown = "libpod.conf:48: key infra_image means nothing to cri-shim"
    assert unknown in cri.daemon.log.read_text()
    assert (await cri.pod_status(pod)).network.ip.startswith(cri.daemon.subnet[:-4])


async def test_the_first_entry_of_runtime_path_is_the_default_handler(cri: Cri) -> None:
    container = await cri.create(await cri.run_pod(), api.ContainerConfig(
        metadata=api.ContainerMetadata(name="main"),
        image=api.ImageSpec(image=busybox.NAME),
        command=["sleep", "60"],
    ))  # fmt: skip
    await cri.start(container)
    states = cri.daemon.run_root / "oci" / "runc"
    assert container in [entry.name for entry in states.iterdir()]


async def test_a_restart_takes_over_running_containers(cri: Cri) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "60"])
    cri.daemon.kill()
    cri.daemon.start()
    assert (await cri.status(container)).state == api.CONTAINER_RUNNING
