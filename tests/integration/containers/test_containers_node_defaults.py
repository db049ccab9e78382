"""What the configuration of the node gives to each container, as its processes see it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.cri import Cri, container_config
from tests.fixtures.daemon import Daemon, private_daemon

CHOWN, KILL, NET_BIND_SERVICE = 1 << 0, 1 << 5, 1 << 10
SETTINGS: dict[str, Any] = {
    "containers.default_ulimits": ["nofile=512:1024", "core=0"],
    "containers.default_env": ["A=node", "B=node", "PATH=/bin:/of/the/node"],
    "containers.default_capabilities": ["CHOWN", "KILL"],
    "containers.add_inheritable_capabilities": True,
}


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with private_daemon(**SETTINGS) as started:
        yield started


async def test_processes_have_the_limits_of_the_node_in_an_exec_too(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"])
    script = "ulimit -Sn; ulimit -Hn; ulimit -c"
    assert await cri.sh(container, script) == "512\n1024\n0\n"
    assert "512 " in await cri.sh(container, "grep 'open files' /proc/1/limits")


async def test_the_environment_of_the_node_is_below_that_of_the_request(cri: Cri) -> None:
    pod = await cri.run_pod()
    envs = [{"key": "B", "value": b"request"}]
    container = await cri.create(pod, container_config(["sleep", "60"], envs=envs))
    await cri.start(container)
    assert await cri.sh(container, "echo $A $B") == "node request\n"


async def test_the_request_adds_to_the_capabilities_of_the_node_and_drops_them(
    cri: Cri, handler: str
) -> None:
    pod = await cri.run_pod(handler=handler)
    plain = await cri.run(pod, ["sleep", "60"], "plain")
    assert await _sets(cri, plain) == dict.fromkeys(("CapInh", "CapPrm", "CapBnd"), CHOWN | KILL)
    config = container_config(["sleep", "60"], "other")
    context = config.linux.security_context.capabilities
    context.add_capabilities.append("NET_BIND_SERVICE")
    context.drop_capabilities.append("KILL")
    other = await cri.create(pod, config)
    await cri.start(other)
    expected = CHOWN | NET_BIND_SERVICE
    assert await _sets(cri, other) == dict.fromkeys(("CapInh", "CapPrm", "CapBnd"), expected)


async def _sets(cri: Cri, container: str) -> dict[str, int]:
    text = await cri.sh(container, "grep -E 'Cap(Inh|Prm|Bnd)' /proc/1/status")
    return {name: int(value, 16) for name, value in (line.split(":") for line in text.splitlines())}
