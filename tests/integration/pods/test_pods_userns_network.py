"""A pod with a user namespace of its own and the node's network."""

import os
from pathlib import Path
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, pod_config

MAPPING = {"container_id": 0, "host_id": 100000, "length": 65536}
USERNS: Any = {"mode": api.POD, "uids": [MAPPING], "gids": [MAPPING]}


@pytest.mark.parametrize("pid", [api.CONTAINER, api.POD])
async def test_the_pod_uses_the_nodes_network_and_cannot_change_it(
    cri: Cri, handler: str, pid: "api.NamespaceMode.ValueType"
) -> None:
    options = api.NamespaceOption(pid=pid, network=api.NODE, userns_options=USERNS)
    of_pod = api.LinuxSandboxSecurityContext(namespace_options=options)
    linux = api.LinuxPodSandboxConfig(security_context=of_pod)
    pod = await cri.run_pod(pod_config(cri.daemon, linux=linux), handler)
    assert (await cri.pod_status(pod)).network.ip == ""
    context = api.LinuxContainerSecurityContext(namespace_options=options)
    context.capabilities.add_capabilities.append("ALL")
    inside = api.LinuxContainerConfig(security_context=context)
    container = await cri.run(pod, ["sleep", "600"], linux=inside)
    of_process = Path(f"/proc/{(await cri.info(container))['pid']}")
    for kind in ("net", "uts"):
        assert (of_process / "ns" / kind).stat().st_ino == Path(
            f"/proc/self/ns/{kind}"
        ).stat().st_ino
    assert (of_process / "uid_map").read_text().split() == ["0", "100000", "65536"]
    interfaces = (await cri.sh(container, "ls /sys/class/net")).split()
    assert sorted(interfaces) == sorted(path.name for path in Path("/sys/class/net").iterdir())
    assert await cri.sh(container, "cat /etc/hostname") == f"{os.uname().nodename}\n"
    for denied in (
        "ip link set lo down",
        "hostname other",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
    ):
        assert (await cri.exec(container, "sh", "-c", denied)).exit_code not in (0, 127), denied
    mounts = (of_process / "mountinfo").read_text().splitlines()
    below = [line.split(" ") for line in mounts if line.split(" ")[4].startswith("/sys")]
    of_sys = [words for words in below if "tmpfs" not in words]  # its own, for v1's groups
    assert of_sys
    assert [words for words in of_sys if "ro" not in words[5].split(",")] == []


async def test_the_status_shows_the_nodes_network(cri: Cri) -> None:
    answer = await cri.runtime.Status(api.StatusRequest())
    assert answer.features.user_namespaces_host_network
