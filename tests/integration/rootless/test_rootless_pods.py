"""Rootless pods and containers: their life, and the namespaces shared with the node."""

import os
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import WrongState
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, log_lines, pod_config
from tests.fixtures.user import UserDaemon, alive
from tests.fixtures.user_pods import on_the_node

NODE = api.NODE


def with_options(**modes: Any) -> api.LinuxContainerConfig:
    options = api.NamespaceOption(**modes)
    context = api.LinuxContainerSecurityContext(namespace_options=options)
    return api.LinuxContainerConfig(security_context=context)


@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_a_container_on_the_nodes_network_lives_and_ends(
    cri: Cri, daemon: UserDaemon, handler: str
) -> None:
    pod = await cri.run_pod(on_the_node(daemon), handler)
    container = await cri.run(pod, ["sh", "-c", "echo hello; id -u; exec sleep 1000"])
    assert (await cri.sh(container, "echo $((6 * 7))")) == "42\n"
    await cri.stop(container)
    status = await cri.exited(container)
    assert (log_lines(status), status.exit_code) == (["hello", "0"], 137)
    await cri.remove(container)
    await cri.stop_pod(pod)
    await cri.remove_pod(pod)
    assert daemon.traces() == []


async def test_root_of_a_container_is_the_user_on_the_node(cri: Cri, daemon: UserDaemon) -> None:
    pod = await cri.run_pod(on_the_node(daemon))
    container = await cri.run(pod, ["sleep", "1000"])
    assert Path(f"/proc/{(await cri.info(container))['pid']}").stat().st_uid == daemon.machine.uid


async def test_another_user_of_a_container_is_a_subordinate_id(
    cri: Cri, daemon: UserDaemon
) -> None:
    pod = await cri.run_pod(on_the_node(daemon))
    context = api.LinuxContainerSecurityContext(run_as_user=api.Int64Value(value=1000))
    config = api.LinuxContainerConfig(security_context=context)
    container = await cri.run(pod, ["sh", "-c", "touch /tmp/mine; exec sleep 1000"], linux=config)
    pid = (await cri.info(container))["pid"]
    first = int(Path(f"/proc/{pid}/uid_map").read_text().split()[4])
    assert Path(f"/proc/{pid}").stat().st_uid == first + 999
    assert (
        await cri.sh(
            container, "until [ -e /tmp/mine ]; do usleep 1000; done; stat -c %u /tmp/mine"
        )
    ) == "1000\n"


async def test_a_pod_that_shares_everything_with_the_node_sees_the_nodes_processes(
    cri: Cri, daemon: UserDaemon
) -> None:
    pod = await cri.run_pod(on_the_node(daemon, pid=NODE, ipc=NODE))
    container = await cri.run(pod, ["sleep", "1000"], linux=with_options(pid=NODE, ipc=NODE))
    assert (await cri.sh(container, f"test -d /proc/{os.getpid()} && echo yes")) == "yes\n"
    assert "up0" in (await cri.sh(container, "cat /proc/net/dev"))


async def test_the_children_of_a_container_without_a_pid_namespace_end_with_it(
    cri: Cri, daemon: UserDaemon
) -> None:
    pod = await cri.run_pod(on_the_node(daemon, pid=NODE))
    script = "setsid sleep 1000 & echo $! >/tmp/child; exec sleep 1000"
    container = await cri.run(pod, ["sh", "-c", script], linux=with_options(pid=NODE))
    child = int(
        await cri.sh(container, "until [ -s /tmp/child ]; do usleep 1000; done; cat /tmp/child")
    )
    assert alive(child)
    await cri.stop(container)
    await cri.remove(container)
    assert not alive(child)


async def test_containers_share_the_pid_namespace_of_their_pod(
    cri: Cri, daemon: UserDaemon
) -> None:
    pod = await cri.run_pod(on_the_node(daemon, pid=api.POD))
    await cri.run(pod, ["sleep", "1234"], "one", linux=with_options(pid=api.POD))
    two = await cri.run(pod, ["sleep", "1000"], "two", linux=with_options(pid=api.POD))
    assert (await cri.sh(two, "grep -l sleep.1234 /proc/[0-9]*/cmdline")).startswith("/proc/")


async def test_limits_are_left_out_and_the_status_mentions_it(cri: Cri, daemon: UserDaemon) -> None:
    status = await cri.runtime.Status(api.StatusRequest(verbose=True))
    conditions = {c.type: c for c in status.status.conditions}
    assert conditions["RuntimeReady"].status
    assert not conditions["ResourceLimits"].status
    assert "limits of CPU, memory" in conditions["ResourceLimits"].message
    pod = await cri.run_pod(on_the_node(daemon))
    limited = api.LinuxContainerResources(memory_limit_in_bytes=64 << 20, cpu_quota=10_000)
    config = api.LinuxContainerConfig(resources=limited)
    container = await cri.run(pod, ["sleep", "1000"], linux=config)
    assert "cgroupsPath" not in (await cri.info(container))["runtimeSpec"]["linux"]
    request = api.UpdateContainerResourcesRequest(container_id=container, linux=limited)
    with pytest.raises(WrongState, match="no control groups of its own"):
        await cri.runtime.UpdateContainerResources(request)


async def test_the_use_of_a_container_is_counted_from_its_processes(
    cri: Cri, daemon: UserDaemon
) -> None:
    pod = await cri.run_pod(on_the_node(daemon))
    script = "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; echo done; exec sleep 1000"
    container = await cri.run(pod, ["sh", "-c", script])
    await cri.sh(container, "until grep -q ^sleep /proc/1/cmdline; do usleep 10000; done")
    answer = await cri.runtime.ContainerStats(api.ContainerStatsRequest(container_id=container))
    assert answer.stats.cpu.usage_core_nano_seconds.value > 0
    assert answer.stats.memory.rss_bytes.value > 0
    of_pod = await cri.runtime.PodSandboxStats(api.PodSandboxStatsRequest(pod_sandbox_id=pod))
    assert of_pod.stats.linux.process.process_count.value >= 1


async def test_the_users_own_client_finds_the_daemon_and_runs_a_pod(daemon: UserDaemon) -> None:
    done = daemon.machine.cri_shim("run", "localhost/busybox:test", "echo", "from", "a", "pod")
    assert (done.returncode, done.stdout, done.stderr) == (0, "from a pod\n", "")
    assert daemon.traces() == []


async def test_info_has_the_rootless_mode_and_its_ids(daemon: UserDaemon) -> None:
    answer = daemon.machine.cri_shim("info")
    assert "rootless: yes" in answer.stdout
    assert f"- 0 {daemon.machine.uid} 1\n" in answer.stdout


async def test_a_device_of_the_node_can_be_given_to_a_container(
    cri: Cri, daemon: UserDaemon
) -> None:
    pod = await cri.run_pod(on_the_node(daemon))
    device = api.Device(host_path="/dev/fuse", container_path="/dev/mine", permissions="rw")
    container = await cri.run(pod, ["sleep", "1000"], devices=[device])
    assert (await cri.sh(container, "stat -c '%F %t:%T' /dev/mine")) == (
        "character special file a:e5\n"
    )


@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_a_privileged_container_runs(cri: Cri, daemon: UserDaemon, handler: str) -> None:
    config = on_the_node(daemon)
    config.linux.security_context.privileged = True
    pod = await cri.run_pod(config, handler)
    context = api.LinuxContainerSecurityContext(privileged=True)
    linux = api.LinuxContainerConfig(security_context=context)
    container = await cri.run(pod, ["sleep", "1000"], linux=linux)
    assert (await cri.sh(container, "mount -t tmpfs none /tmp && echo mounted")) == "mounted\n"


async def test_a_pod_has_its_own_host_name_and_kernel_parameters(
    cri: Cri, daemon: UserDaemon
) -> None:
    sysctls = {"net.ipv4.ip_unprivileged_port_start": "7", "kernel.msgmax": "4096"}
    config = pod_config(daemon, linux=api.LinuxPodSandboxConfig(sysctls=sysctls), hostname="mine")
    container = await cri.run(await cri.run_pod(config), ["sleep", "1000"])
    script = "hostname; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax"
    assert (await cri.sh(container, script)).split() == ["mine", "7", "4096"]


async def test_an_oom_score_below_the_daemons_own_is_raised(cri: Cri, daemon: UserDaemon) -> None:
    pod = await cri.run_pod(on_the_node(daemon))
    resources = api.LinuxContainerResources(oom_score_adj=-900)
    linux = api.LinuxContainerConfig(resources=resources)
    container = await cri.run(pod, ["sleep", "1000"], linux=linux)
    own = Path(f"/proc/{daemon.pid}/oom_score_adj").read_text()
    assert (await cri.sh(container, "cat /proc/1/oom_score_adj")) == own
