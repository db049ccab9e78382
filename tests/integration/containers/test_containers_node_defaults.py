"""What the configuration of the node gives to each container, as its processes see it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon, private_daemon

CHOWN, KILL, NET_BIND_SERVICE = 1 << 0, 1 << 5, 1 << 10
SETTINGS: dict[str, Any] = {
    "containers.default_ulimits": ["nofile=512:1024", "core=0:1024"],
    "containers.default_env": ["A=node", "B=node", "PATH=/bin:/of/the/node"],
    "containers.default_capabilities": ["CHOWN", "KILL"],
    "containers.add_inheritable_capabilities": True,
    "containers.additional_devices": ["/dev/null:/dev/of-the-node:r"],
    "containers.allowed_devices": ["/dev/zero", "/dev/gone"],
    "containers.timezone": "Asia/Tokyo",
    "containers.passwd_entry": True,
    "containers.containerenv": True,
    "runtimes.crun.allowed_annotations": ["devices.crio.io"],
}


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with private_daemon(**SETTINGS) as started:
        yield started


async def test_processes_have_the_limits_of_the_node_in_an_exec_too(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"])
    assert await cri.sh(container, "ulimit -Hn; ulimit -Sc; ulimit -Hc") == "1024\n0\n2\n"
    limits = await cri.sh(container, "cat /proc/1/limits")
    assert re.search(r"^Max core file size +0 +1024 ", limits, re.MULTILINE)
    assert re.search(r"^Max open files +(512|1024) +1024 ", limits, re.MULTILINE)


async def test_crun_gives_the_soft_limit_of_open_files_too(cri: Cri) -> None:
    # A runc that was built with Go 1.19 may raise it to the hard limit: docs/kubernetes.md.
    container = await cri.run(await cri.run_pod(handler="crun"), ["sleep", "60"])
    assert await cri.sh(container, "ulimit -Sn") == "512\n"
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


async def test_every_container_has_the_devices_of_the_node(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"])
    assert await cri.sh(container, "stat -c %t:%T /dev/of-the-node") == "1:3\n"
    assert "0" in await cri.sh(container, "cat /dev/of-the-node | wc -c")


async def test_a_pod_has_the_devices_of_its_annotation_if_handler_and_node_allow_them(
    cri: Cri,
) -> None:
    asked = pod_config(cri.daemon, annotations={"devices.crio.io": "/dev/zero:/dev/asked:rw"})
    for handler, expected in (("crun", "1:5\n"), ("runc", "none\n")):
        asked.metadata.uid = handler
        container = await cri.run(await cri.run_pod(asked, handler=handler), ["sleep", "60"])
        script = "stat -c %t:%T /dev/asked 2>/dev/null || echo none"
        assert await cri.sh(container, script) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [("/dev/mem", r"not in containers\.allowed_devices"), ("/dev/gone", "No such file")],
)
async def test_another_device_of_the_annotation_is_refused(
    cri: Cri, text: str, problem: str
) -> None:
    config = pod_config(cri.daemon, annotations={"devices.crio.io": text})
    pod = await cri.run_pod(config, handler="crun")
    with pytest.raises(InvalidArgument, match=problem):
        await cri.create(pod, container_config(["true"]))
    assert await cri.containers(pod_sandbox_id=pod) == []


async def test_containers_have_the_time_zone_of_the_node_and_containerenv(
    cri: Cri, handler: str
) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"])
    zone = Path("/usr/share/zoneinfo/Asia/Tokyo").read_bytes()
    assert (await cri.exec(container, "cat", "/etc/localtime")).stdout == zone
    assert await cri.sh(container, "wc -c < /run/.containerenv") == "0\n"


async def test_a_user_whom_the_image_does_not_know_has_a_name(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    config = container_config(["sleep", "60"], envs=[{"key": "HOME", "value": b"/tmp"}])
    context = config.linux.security_context
    context.run_as_user.value, context.run_as_group.value = 4711, 4712
    context.readonly_rootfs = True
    container = await cri.create(pod, config)
    await cri.start(container)
    assert await cri.sh(container, "id -un; id -gn; echo ~default") == "default\n4712\n/tmp\n"


async def test_root_keeps_its_line_and_gets_no_other(cri: Cri) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "60"])
    assert "default" not in await cri.sh(container, "cat /etc/passwd")


async def _sets(cri: Cri, container: str) -> dict[str, int]:
    text = await cri.sh(container, "grep -E 'Cap(Inh|Prm|Bnd)' /proc/1/status")
    return {name: int(value, 16) for name, value in (line.split(":") for line in text.splitlines())}
