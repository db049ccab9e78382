"""Kernel parameters of real pods: each in its namespace, in the pod's numbers, at its time."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.aio import child
from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.daemon import Daemon, private_daemon

BASE, LENGTH = 200000, 65536
MAPPING = {"container_id": 0, "host_id": BASE, "length": LENGTH}
USERNS: dict[str, Any] = {"mode": api.POD, "uids": [MAPPING], "gids": [MAPPING]}
# Of a group in the node's numbers, which is all that the kernel compares.
PING = """
import os, socket, sys
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]) or 1000)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
"""
DEFAULTS = {
    "net.ipv4.ping_group_range": "5 9",
    "net.ipv4.conf.eth0.log_martians": "1",
    "kernel.domainname": "defaults",
    "kernel.msgmax": "4444",
}


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with private_daemon(0, default_sysctls=[f"{k}={v}" for k, v in DEFAULTS.items()]) as started:
        yield started


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        await calls.remove_all()
        assert daemon.traces() == []


@pytest.fixture(params=["crun", "runc"])
def handler(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["node's users", "users of its own"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Without a user namespace, and with one."""
    userns = {"userns_options": USERNS} if request.param else {}
    return {"pid": api.CONTAINER, **userns}


def pod(cri: Cri, options: dict[str, Any], sysctls: dict[str, str]) -> api.PodSandboxConfig:
    context = api.LinuxSandboxSecurityContext(namespace_options=api.NamespaceOption(**options))
    linux = api.LinuxPodSandboxConfig(security_context=context, sysctls=sysctls)
    return pod_config(cri.daemon, linux=linux, hostname="inside")


async def run(cri: Cri, pod: str, options: dict[str, Any], **fields: Any) -> str:
    spaces = api.NamespaceOption(**options)
    context = api.LinuxContainerSecurityContext(namespace_options=spaces, **fields)
    linux = api.LinuxContainerConfig(security_context=context)
    return await cri.run(pod, ["sleep", "60"], linux=linux)


async def values(cri: Cri, container: str, *names: str) -> list[list[str]]:
    files = " ".join(f"/proc/sys/{name.replace('.', '/')}" for name in names)
    return [line.split() for line in (await cri.sh(container, f"cat {files}")).splitlines()]


async def test_every_kind_of_parameter_is_set_as_the_container_sees_it(
    cri: Cri, handler: str, options: dict[str, Any]
) -> None:
    asked = {
        "net.ipv4.ping_group_range": "0 65535",
        "net.ipv4.ip_unprivileged_port_start": "7",
        "net.ipv4.conf.default.rp_filter": "2",
        "net.ipv4.conf.eth0.arp_ignore": "3",
        "net.ipv6.conf.eth0.accept_ra": "0",
        "net.ipv4.neigh.eth0.gc_stale_time": "61",
        "kernel.shm_rmid_forced": "1",
        "kernel.sem": "100 200 30 40",
        "fs.mqueue.msg_max": "99",
        "kernel.domainname": "example",
    }
    made = await cri.run_pod(pod(cri, options, asked), handler)
    container = await run(cri, made, options)
    assert await values(cri, container, *asked) == [value.split() for value in asked.values()]
    assert await values(cri, container, "net.ipv4.conf.eth0.rp_filter") == [["2"]]


async def test_a_group_of_the_container_may_ping_and_others_may_not(
    cri: Cri, handler: str, options: dict[str, Any]
) -> None:
    asked = {"net.ipv4.ping_group_range": "1000 1001"}
    made = await cri.run_pod(pod(cri, options, asked), handler)
    container = await run(cri, made, options)
    pid = (await cri.info(container))["pid"]
    base = BASE if "userns_options" in options else 0
    for group, code in ((1000, 0), (1001, 0), (1002, 1), (0, 1)):
        python = [sys.executable, "-IS", "-c", PING, str(base + group)]
        done = await child.run(["nsenter", f"--target={pid}", "--net", *python], timeout=20)
        assert done.returncode == code, (group, done)


async def test_the_nodes_defaults_are_set_and_a_pods_own_values_win(
    cri: Cri, options: dict[str, Any]
) -> None:
    made = await cri.run_pod(pod(cri, options, {"net/ipv4/ping_group_range": "1 2"}))
    container = await run(cri, made, options)
    seen = await values(cri, container, *DEFAULTS)
    assert seen == [["1", "2"], ["1"], ["defaults"], ["4444"]]


async def test_the_nodes_defaults_never_reach_the_node(cri: Cri) -> None:
    files = [Path("/proc/sys", name.replace(".", "/")) for name in DEFAULTS]
    before = [file.read_text() for file in files if file.exists()]
    on_node = {"network": api.NODE, "ipc": api.NODE, "pid": api.CONTAINER}
    await cri.run_pod(pod(cri, on_node, {}))
    assert [file.read_text() for file in files if file.exists()] == before


async def test_user_limits_are_those_of_the_pods_user_namespace(cri: Cri, handler: str) -> None:
    limit = Path("/proc/sys/user/max_mnt_namespaces")
    before = limit.read_text()
    options = {"pid": api.CONTAINER, "userns_options": USERNS}
    asked = {"user.max_mnt_namespaces": "99"}
    made = await cri.run_pod(pod(cri, options, asked), handler)
    assert await values(cri, await run(cri, made, options), *asked) == [["99"]]
    assert limit.read_text() == before
    with pytest.raises(InvalidArgument, match=r"user.max_mnt_namespaces.: '99' is not set: .*user"):
        await cri.run_pod(pod(cri, {"pid": api.CONTAINER}, asked))


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("net.ipv4.conf.eth7.arp_ignore", "1", "the pod's network has no interface 'eth7'"),
        ("net.ipv4.conf.eth0.arp_ignore", "many", "the kernel refuses it.*Invalid argument"),
        ("net.ipv4.ping_group_range", "5 x", "the kernel refuses it.*Invalid argument"),
        ("net.ipv4.no_such", "1", "no such parameter"),
        ("kernel.sem", "x" * 5000, r"5000 characters.*the kernel refuses it"),
        ("kernel.panic", "1", "not namespaced"),
    ],
)
async def test_a_parameter_that_cannot_be_set_is_named_with_its_value_and_the_pod_is_undone(
    cri: Cri, options: dict[str, Any], name: str, value: str, problem: str
) -> None:
    with pytest.raises(InvalidArgument, match=rf"sysctls.{name}.: '{value[:9]}.*{problem}") as no:
        await cri.run_pod(pod(cri, options, {name: value}))
    assert len(str(no.value)) < 400
    assert await cri.pods() == []


def test_a_default_that_no_pod_can_have_is_refused_at_the_start(daemon: Daemon) -> None:
    directory = daemon.directory / "other"
    directory.mkdir()
    other = Daemon(directory, 1, default_sysctls=["vm.swappiness=1"])
    with pytest.raises(AssertionError, match=r"config.toml:\d+: the node's default_sysctls"):
        other.start()
    assert other._process is not None
    other._process.wait(20)
