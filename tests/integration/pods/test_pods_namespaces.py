"""Shared and separate namespaces of a pod's containers."""

from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config


def linux(**options: Any) -> api.LinuxPodSandboxConfig:
    context = api.LinuxSandboxSecurityContext(namespace_options=api.NamespaceOption(**options))
    return api.LinuxPodSandboxConfig(security_context=context)


def in_pod(**options: Any) -> api.LinuxContainerConfig:
    context = api.LinuxContainerSecurityContext(namespace_options=api.NamespaceOption(**options))
    return api.LinuxContainerConfig(security_context=context)


async def namespace(cri: Cri, container: str, kind: str) -> str:
    return str(Path(f"/proc/{(await cri.info(container))['pid']}/ns/{kind}").readlink())


def own_namespace(kind: str) -> str:
    return str(Path(f"/proc/self/ns/{kind}").readlink())


async def test_containers_share_net_ipc_uts_and_not_pid(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    one = await cri.run(pod, ["sleep", "60"], "one")
    two = await cri.run(pod, ["sleep", "60"], "two")
    for kind in ("net", "ipc", "uts"):
        shared = await namespace(cri, one, kind)
        assert shared == await namespace(cri, two, kind)
        assert shared != own_namespace(kind)
    assert await namespace(cri, one, "pid") != await namespace(cri, two, "pid")
    assert "1 root" in await cri.sh(two, "ps | grep sleep")


async def test_a_shared_pid_namespace_has_an_init_and_all_processes(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(
        pod_config(cri.daemon, linux=linux(pid=api.POD), hostname="shared"), handler
    )
    one = await cri.run(pod, ["sleep", "111"], "one", linux=in_pod(pid=api.POD))
    two = await cri.run(pod, ["sleep", "222"], "two", linux=in_pod(pid=api.POD))
    assert await namespace(cri, one, "pid") == await namespace(cri, two, "pid")
    processes = await cri.sh(one, "ps")
    assert "catatonit" in processes
    assert "sleep 111" in processes
    assert "sleep 222" in processes


async def test_children_of_a_container_do_not_outlive_it_in_a_shared_pid_namespace(
    cri: Cri,
) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, linux=linux(pid=api.POD), hostname="shared"))
    script = "sleep 333 & sleep 0.2; exit 0"
    one = await cri.run(pod, ["sh", "-c", script], "one", linux=in_pod(pid=api.POD))
    two = await cri.run(pod, ["sleep", "60"], "two", linux=in_pod(pid=api.POD))
    await cri.exited(one)
    await cri.sh(two, "while ps | grep -q 'sleep 33[3]'; do usleep 20000; done")


async def test_a_debug_container_joins_its_targets_pid_namespace(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    target = await cri.run(pod, ["sleep", "444"], "target")
    debug = await cri.run(
        pod, ["sleep", "60"], "debug", linux=in_pod(pid=api.TARGET, target_id=target)
    )
    assert await namespace(cri, debug, "pid") == await namespace(cri, target, "pid")
    assert "sleep 444" in await cri.sh(debug, "ps")


async def test_a_missing_target_container_is_refused(cri: Cri) -> None:
    pod = await cri.run_pod()
    options = in_pod(pid=api.TARGET, target_id="nobody")
    with pytest.raises(InvalidArgument, match="target_id"):
        await cri.create(pod, container_config(["true"], linux=options))


async def test_host_modes_share_the_nodes_namespaces(cri: Cri, handler: str) -> None:
    options = linux(network=api.NODE, pid=api.NODE, ipc=api.NODE)
    pod = await cri.run_pod(pod_config(cri.daemon, linux=options), handler)
    asked = in_pod(network=api.NODE, pid=api.NODE, ipc=api.NODE)
    container = await cri.run(pod, ["sleep", "60"], linux=asked)
    for kind in ("net", "ipc", "uts", "pid"):
        assert await namespace(cri, container, kind) == own_namespace(kind)
    assert (await cri.pod_status(pod)).network.ip == ""


async def test_the_pods_shm_is_shared_and_64_mib(cri: Cri) -> None:
    pod = await cri.run_pod()
    one = await cri.run(pod, ["sleep", "60"], "one")
    two = await cri.run(pod, ["sleep", "60"], "two")
    await cri.sh(one, "echo word > /dev/shm/note")
    assert await cri.sh(two, "cat /dev/shm/note") == "word\n"
    assert "size=65536k" in await cri.sh(two, "grep /dev/shm /proc/mounts")


async def test_hostname_resolv_conf_and_hosts_are_the_pods(cri: Cri) -> None:
    dns = api.DNSConfig(servers=["10.9.8.7"], searches=["shop.local"], options=["ndots:5"])
    config = pod_config(cri.daemon, hostname="web-1", dns_config=dns)
    pod = await cri.run_pod(config)
    container = await cri.run(pod, ["sleep", "60"])
    assert await cri.sh(container, "hostname; cat /etc/hostname") == "web-1\nweb-1\n"
    assert await cri.sh(container, "cat /etc/resolv.conf") == (
        "nameserver 10.9.8.7\nsearch shop.local\noptions ndots:5\n"
    )
    ip = (await cri.pod_status(pod)).network.ip
    assert f"{ip}\tweb-1\n" in await cri.sh(container, "cat /etc/hosts")
