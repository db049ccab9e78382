"""A daemon with two CNI plugins of its own, of which one may sleep, and a directory of hooks."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cri_shim.rpc.client import Client
from tests.fixtures.commands import shown_json
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon

# The pod gets an address that no interface has: nothing here uses it.
_PLUGIN = """#!/bin/sh
cat >/dev/null
case "$CNI_COMMAND" in
VERSION) echo '{"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}' ;;
ADD)
    [ ! -e %(own)s.sleep ] || sleep "$(cat %(own)s.sleep)"
    [ ! -e %(own)s.fail ] || { echo '{"code": 100, "msg": "no address is free"}'; exit 1; }
    echo '{"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": "'"$CNI_NETNS"'"}],
           "ips": [{"address": "10.9.9.9/24", "interface": 0}]}' ;;
esac
"""


class Node:
    """The plugins and hooks of the daemon."""

    def __init__(self, where: Path) -> None:
        self.bin, self.hooks, self.net = where / "bin", where / "hooks.d", where / "net.d"
        for directory in (self.bin, self.hooks, self.net):
            directory.mkdir()
        for name in ("slow", "quick"):
            self._program(self.bin / name, _PLUGIN % {"own": self.bin / name})
        plugins = [{"type": "slow"}, {"type": "quick"}]
        network = {"cniVersion": "1.0.0", "name": "testnet", "plugins": plugins}
        (self.net / "10-test.conflist").write_text(json.dumps(network))

    def plugin_sleeps(self, seconds: float) -> None:
        (self.bin / "slow.sleep").write_text(str(seconds))

    def plugin_fails(self) -> None:
        (self.bin / "quick.fail").touch()

    def hook(self, name: str, stage: str, script: str) -> None:
        """Define a hook of every container; it passes its input on."""
        path = self.bin / name
        self._program(path, f'#!/bin/sh\ndocument=$(cat)\n{script}\nprintf %s "$document"\n')
        hook = {"version": "1.0.0", "hook": {"path": str(path)}, "when": {"always": True}}
        (self.hooks / f"{name}.json").write_text(json.dumps({**hook, "stages": [stage]}))

    def clear(self) -> None:
        for path in [*self.hooks.iterdir(), *self.bin.glob("slow.*"), *self.bin.glob("quick.*")]:
            path.unlink()

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return Node(tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="module")
def daemon(made: Node) -> Iterator[Daemon]:
    with daemon_of(made) as started:
        yield started


@contextmanager
def daemon_of(node: Node) -> Iterator[Daemon]:
    settings: dict[str, Any] = {
        "cni_config_dir": str(node.net),
        "cni_plugin_dir": [str(node.bin)],
        "hooks_dir": str(node.hooks),
    }
    with private_daemon(0, **settings) as started:
        yield started


@pytest.fixture
async def cri(daemon: Daemon, node: Node) -> AsyncIterator[Cri]:
    """Calls to the daemon; pods are removed while the plugins are there, and leave nothing."""
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        await calls.remove_all()
        assert daemon.traces() == []


@pytest.fixture
def node(made: Node) -> Iterator[Node]:
    yield made
    made.clear()


async def operations(cri: Cri, pod: str) -> dict[str, Any]:
    """Return the operations of a pod's timeline by their verb; the last one of each."""
    document = await shown_json(cri, "timeline", pod, "--json")
    return {operation["verb"]: operation for operation in document["operations"]}


def stages(operation: Mapping[str, Any]) -> dict[str, Any]:
    return {stage["name"]: stage for stage in operation["stages"]}
