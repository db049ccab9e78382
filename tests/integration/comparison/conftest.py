"""A daemon in a network namespace of its own: all rules and addresses in it are of its pods."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cri_shim.isolation import namespaces
from cri_shim.linux import mounts
from cri_shim.pb import control_pb2 as control
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.daemon import Daemon


def on_a_node_of_its_own(daemon: Daemon) -> None:
    node = daemon.directory / "node"
    namespaces.pin({"net": node}, hostname=None, sysctls={})
    daemon.wrapper = ["/usr/bin/nsenter", f"--net={node}"]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}, on_a_node_of_its_own) as started:
        yield started
        mounts.unmount(started.directory / "node")


@dataclass
class Node:
    """The daemon with calls to it, and with the commands that compare."""

    rig: Rig

    @property
    def daemon(self) -> Daemon:
        return self.rig.daemon

    async def compare(self, *, repair: bool = False) -> list[dict[str, Any]]:
        """Return the differences that the daemon finds; every class must have been looked at."""
        calls = self.rig.cri.control
        if repair:
            found = json.loads((await calls.Repair(control.RepairRequest())).json)
        else:
            found = json.loads((await calls.Compare(control.CompareRequest())).json)
        assert found["problems"] == []
        return list(found["differences"])

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of cri-shim on this node, with or without the daemon."""
        flags = self.daemon.command()[len(self.daemon.wrapper) + 3 : -1]
        command = [*self.daemon.wrapper, sys.executable, "-m", "cri_shim", *flags, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    def check(self, *words: str) -> list[dict[str, Any]]:
        """Return the differences that `cri-shim check` shows."""
        done = self.run("check", "-o", "json", *words)
        assert done.stdout, done.stderr
        return [each for each in json.loads(done.stdout) if each["what"] == "difference"]

    def leaks(self, *words: str) -> list[dict[str, Any]]:
        """Return what `cri-shim leaks` shows."""
        done = self.run("leaks", "-o", "json", *words)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))


@pytest.fixture
async def node(daemon: Daemon) -> AsyncIterator[Node]:
    """The node; afterwards every pod is removed, and no difference may be left."""
    async with Rig(daemon) as rig:
        yield Node(rig)
        await rig.cri.remove_all()
        await rig.settled()
        assert await Node(rig).compare() == []
