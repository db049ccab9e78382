"""Fake plugins: shell scripts that record their calls, and give the answers of the test."""

import json
from pathlib import Path
from typing import Any

import pytest

from cri_shim.network.network import Network
from cri_shim.pb import api_pb2, state_pb2

ID = "ab" * 32

RESULT = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "br"}, {"name": "eth0", "sandbox": "/run/netns/x"}],
    "ips": [{"address": "10.9.0.2/24", "gateway": "10.9.0.1", "interface": 1}],
}


class FakePlugins:
    """A plugin directory; `calls()` lists "VERB type" in the order they happened."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self._log = directory.parent / "calls"

    def make(self, kind: str, versions=("0.4.0", "1.0.0"), **answers: str) -> Path:
        """`answers` maps a verb to shell code; without it a verb succeeds, ADD with RESULT."""
        verbs = {"ADD": f"echo '{json.dumps(RESULT)}'"} | answers
        verbs.setdefault(
            "VERSION", f"""echo '{{"supportedVersions": {json.dumps(list(versions))}}}'"""
        )
        cases = "\n".join(f"{verb}) {code} ;;" for verb, code in verbs.items())
        where = self.directory.parent
        path = self.directory / kind
        path.write_text(
            "#!/bin/sh\nPATH=/usr/bin:/bin\n"
            f"cat > {where}/$CNI_COMMAND.{kind}.json\n"
            f"env | grep ^CNI_ | sort > {where}/$CNI_COMMAND.{kind}.env\n"
            f'echo "$CNI_COMMAND {kind}" >> {self._log}\n'
            f"case $CNI_COMMAND in\n{cases}\nesac\n"
        )
        path.chmod(0o755)
        return path

    def calls(self) -> list[str]:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [line for line in lines if not line.startswith("VERSION")]

    def stdin(self, verb: str, kind: str) -> Any:
        return json.loads((self.directory.parent / f"{verb}.{kind}.json").read_text())

    def env(self, verb: str, kind: str) -> dict[str, str]:
        text = (self.directory.parent / f"{verb}.{kind}.env").read_text()
        return dict(line.partition("=")[::2] for line in text.splitlines())


@pytest.fixture
def fakes(tmp_path: Path) -> FakePlugins:
    return FakePlugins(tmp_path / "bin")


@pytest.fixture
def conf_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "net.d"
    directory.mkdir()
    return directory


@pytest.fixture
def write_list(conf_dir: Path) -> Any:
    """Write a network list of plugins, each an object or just its type."""

    def write(*plugins: Any, name="net", file="10-net.conflist", **keys: Any) -> Path:
        objects = [{"type": p} if isinstance(p, str) else p for p in plugins]
        path: Path = conf_dir / file
        document = {"cniVersion": "1.0.0", "name": name, "plugins": objects} | keys
        path.write_text(json.dumps(document))
        return path

    return write


@pytest.fixture
def pod() -> Any:
    """Make a pod record; the netns is this process's own, which no fake plugin touches."""

    def make(id: str = ID, netns: str = "/proc/self/ns/net", **config: Any) -> state_pb2.PodRecord:
        metadata = api_pb2.PodSandboxMetadata(name="web", namespace="shop", uid="u-1")
        return state_pb2.PodRecord(
            id=id,
            config=api_pb2.PodSandboxConfig(metadata=metadata, **config),
            network=state_pb2.PodNetwork(netns_path=netns),
        )

    return make


@pytest.fixture
def planned(pod: Any) -> Any:
    """Make a pod record with the plan of a network in it."""

    def plan(network: Network, **config: Any) -> Any:
        record = pod(**config)
        record.network.attachments.extend(network.plan(record))
        return record

    return plan


@pytest.fixture
async def network(conf_dir: Path, fakes: FakePlugins, tmp_path: Path):
    """A started Network over the fakes; write the configuration before asking for it."""
    made = Network(
        conf_dir,
        [fakes.directory],
        tmp_path / "cache",
        bundled=None,
        add_timeout=60,
        del_timeout=60,
    )
    yield made
    await made.stop()
