"""A separate node for the real plugins: a network namespace in which they, nft and iptables run.

Bridges, rules and sysctls of a test live in that namespace and go with it; nothing of the machine's
own network is touched.
"""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from cri_shim.aio import child
from cri_shim.isolation import namespaces
from cri_shim.network.network import Network
from cri_shim.pb import api_pb2, state_pb2

PLUGIN_DIRS = [Path(d) for d in ("/opt/cni/bin", "/usr/libexec/cni", "/usr/lib/cni")]
NODE_TOOLS = ("nft", "iptables", "ip6tables", "iptables-save", "sysctl", "ip", "tc")


class Node:
    """A network namespace as a node: its plugins, its configuration directory, its pods."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self.name = f"test-{secrets.token_hex(4)}"
        self.netns = Path("/run/netns") / f"{self.name}-node"
        self.conf_dir, self.bin_dir, self.cache = where / "net.d", where / "cni", where / "cache"
        self.data_dir = self.cache / "networks"
        self.tool_dir = where / "bin"
        self.pods: list[Path] = []
        for directory in (self.conf_dir, self.bin_dir, self.tool_dir):
            directory.mkdir()
        namespaces.pin({"net": self.netns}, hostname=None, sysctls={})
        for kind in ("bridge", "host-local", "portmap", "bandwidth", "tuning"):
            self._wrap(next(d / kind for d in PLUGIN_DIRS if (d / kind).exists()), self.bin_dir)
        for tool in NODE_TOOLS:
            self._wrap(Path("/usr/sbin") / tool, self.tool_dir)

    def _wrap(self, program: Path, directory: Path) -> None:
        self.script(directory / program.name, f'exec nsenter --net={self.netns} {program} "$@"')

    def script(self, path: Path, body: str) -> None:
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def bridge(self, subnet: str, name: str = "br0", **keys: Any) -> dict[str, Any]:
        """The plugin object of a bridge network whose reservations are this test's own."""
        ipam = {
            "type": "host-local",
            "dataDir": str(self.data_dir),
            "ranges": [[{"subnet": subnet}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        described = {"type": "bridge", "bridge": name, "isGateway": True, "hairpinMode": True}
        return {**described, "ipMasq": False, "ipam": ipam, **keys}

    def configure(self, *plugins: Any, name: str = "net", directory: Path | None = None) -> None:
        document = {"cniVersion": "1.0.0", "name": name, "plugins": plugins}
        path = (directory or self.conf_dir) / f"{name}.conflist"
        path.write_text(json.dumps(document))

    def network(self, **keys: Any) -> Network:
        """A Network of this node, not started."""
        limits = {"add_timeout": 60, "del_timeout": 60}
        return Network(self.conf_dir, [self.bin_dir], self.cache, **limits | keys)

    def pod(self, network: Network, **config: Any) -> state_pb2.PodRecord:
        """A pod's record with its plan, and its namespace."""
        id = secrets.token_hex(32)
        netns = Path("/run/netns") / f"{self.name}-{id[:12]}"
        namespaces.pin({"net": netns}, hostname=None, sysctls={})
        self.pods.append(netns)
        metadata = api_pb2.PodSandboxMetadata(name="web", namespace="shop", uid="u-1")
        record = state_pb2.PodRecord(
            id=id,
            config=api_pb2.PodSandboxConfig(metadata=metadata, **config),
            network=state_pb2.PodNetwork(netns_path=str(netns)),
        )
        record.network.attachments.extend(network.plan(record))
        return record

    def reservations(self) -> list[str]:
        """The addresses that are taken, over all networks."""
        return [path.name for path in self.data_dir.rglob("*") if path.name[0].isdigit()]

    async def run(self, *argv: str) -> str:
        """Run a tool on this node."""
        done = await child.run([str(self.tool_dir / argv[0]), *argv[1:]], timeout=20)
        assert done.returncode == 0, done.complaint()
        return done.stdout.decode()

    async def veths(self) -> list[str]:
        return (await self.run("ip", "-brief", "link", "show", "type", "veth")).splitlines()

    def gone(self) -> None:
        for netns in [*self.pods, self.netns]:
            namespaces.unpin(netns)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Node(tmp_path)
    monkeypatch.setenv("PATH", f"{made.tool_dir}:/usr/sbin:/usr/bin:/sbin:/bin")
    yield made
    made.gone()


@pytest.fixture
async def started() -> Any:
    """Start networks, and stop them at the end."""
    running: list[Network] = []

    async def start(network: Network) -> Network:
        await network.start()
        running.append(network)
        assert network.status().ready, network.status()
        return network

    yield start
    for network in running:
        await network.stop()
