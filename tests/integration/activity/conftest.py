"""A daemon whose only network is a plugin that waits at a gate before it answers ADD."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, Setting, private_daemon

WAITS = "CNI plugin flaky, ADD of network flakynet"
_LIMIT_S = 60.0

# The pod gets an address that no interface has: nothing here uses it.
_PLUGIN = """#!/bin/sh
cat >/dev/null
case "$CNI_COMMAND" in
VERSION) echo '{"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}' ;;
ADD)
    while [ -e %(gate)s ]; do sleep 0.05; done
    echo '{"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": "'"$CNI_NETNS"'"}],
           "ips": [{"address": "10.9.9.9/24", "interface": 0}]}' ;;
DEL)
    while [ -e %(gate)s.del ]; do sleep 0.05; done ;;
esac
"""


class Gate:
    """While it is closed, a verb of plugin flaky does not end."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def close(self) -> None:
        self._path.touch()

    def open(self) -> None:
        self._path.unlink(missing_ok=True)


@contextmanager
def flaky_daemon(where: Path) -> Iterator[Daemon]:
    """Yield a started daemon with the network; its files are in `where`."""
    for name in ("bin", "net.d", "hooks.d"):
        (where / name).mkdir()
    plugin = where / "bin" / "flaky"
    plugin.write_text(_PLUGIN % {"gate": where / "gate"})
    plugin.chmod(0o755)
    network = {"cniVersion": "1.0.0", "name": "flakynet", "plugins": [{"type": "flaky"}]}
    (where / "net.d" / "10-flaky.conflist").write_text(json.dumps(network))
    settings: dict[str, Setting] = {
        "cni_config_dir": str(where / "net.d"),
        "cni_plugin_dir": [str(where / "bin")],
        "hooks_dir": str(where / "hooks.d"),
        "server.log_level": "info",
    }
    with private_daemon(0, **settings) as started:
        yield started


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the daemon's network and hooks."""
    return tmp_path_factory.mktemp("flaky")


@pytest.fixture(scope="module")
def daemon(where: Path) -> Iterator[Daemon]:
    with flaky_daemon(where) as started:
        yield started


@pytest.fixture
def gate(where: Path) -> Iterator[Gate]:
    """Yield the closed gate; it is open afterwards."""
    made = Gate(where / "gate")
    made.close()
    yield made
    made.open()


async def info(cri: Cri) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((await cri.control.Info(control.InfoRequest())).json)
    return facts


async def in_progress(cri: Cri) -> list[dict[str, Any]]:
    status = await cri.runtime.Status(api.StatusRequest(verbose=True))
    found: list[dict[str, Any]] = json.loads(status.info["inProgress"])
    return found


async def waiting(cri: Cri, name: str, waits_for: str = WAITS) -> dict[str, Any]:
    """Return the operation on the object of this name, as soon as it waits for this."""
    async with asyncio.timeout(_LIMIT_S):
        while True:
            for operation in await in_progress(cri):
                waits = [wait["for"] for wait in operation["waits"]]
                if name in operation["object"] and any(waits_for in wait for wait in waits):
                    return operation
            await asyncio.sleep(0.02)


def lines(cri: Cri, *words: str) -> list[str]:
    """Return the lines of the daemon's log that have all these words."""
    log = cri.daemon.log.read_text().splitlines()
    return [line for line in log if all(word in line for word in words)]
