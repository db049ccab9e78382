"""CDI devices of an unprivileged user's containers: they are bound, like other devices."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.cri import Cri, container_config
from tests.fixtures.user import UserDaemon, user_daemon
from tests.fixtures.user_machine import Machine
from tests.fixtures.user_pods import on_the_node


@pytest.fixture(scope="module")
def daemon(node: Machine) -> Iterator[UserDaemon]:
    directory = node.directory / "cdi"
    directory.mkdir()
    with user_daemon(node, **{"containers.cdi_spec_dirs": [str(directory)]}) as started:
        yield started


def write(daemon: UserDaemon, **edits: Any) -> None:
    """The specification of vendor.com/gpu=0."""
    devices = [{"name": "0", "containerEdits": edits}]
    value = {"cdiVersion": "0.6.0", "kind": "vendor.com/gpu", "devices": devices}
    (daemon.machine.directory / "cdi/gpu.json").write_text(json.dumps(value))


async def run(cri: Cri, daemon: UserDaemon, handler: str = "") -> str:
    pod = await cri.run_pod(on_the_node(daemon), handler)
    config = container_config(["sleep", "1000"])
    config.CDI_devices.add(name="vendor.com/gpu=0")
    container = await cri.create(pod, config)
    await cri.start(container)
    return container


async def test_a_device_can_set_an_environment_variable(cri: Cri, daemon: UserDaemon) -> None:
    write(daemon, env=["GPU=0"])
    container = await run(cri, daemon)
    assert await cri.sh(container, "echo $GPU") == "0\n"


@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_the_node_of_a_device_is_bound_from_its_host_path(
    cri: Cri, daemon: UserDaemon, handler: str
) -> None:
    write(daemon, deviceNodes=[{"path": "/dev/vendor/gpu0", "hostPath": "/dev/fuse"}])
    container = await run(cri, daemon, handler)
    found = await cri.sh(container, "stat -c '%F %t:%T' /dev/vendor/gpu0")
    assert found == "character special file a:e5\n"
