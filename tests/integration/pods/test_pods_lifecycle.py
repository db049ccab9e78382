"""Pods over the CRI: run, status, list, stop, remove, and refusals."""

import asyncio
from pathlib import Path

import pytest

from cri_shim.aio import child
from cri_shim.errors import AlreadyExists, InvalidArgument, NotFound, WrongState
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config


async def test_a_pod_is_ready_with_an_address_and_gone_after_removal(cri: Cri) -> None:
    pod = await cri.run_pod()
    status = await cri.pod_status(pod)
    assert status.state == api.SANDBOX_READY
    assert status.network.ip.startswith(cri.daemon.subnet.rsplit(".", 1)[0])
    assert status.created_at > 0
    await cri.stop_pod(pod)
    assert (await cri.pod_status(pod)).state == api.SANDBOX_NOTREADY
    await cri.remove_pod(pod)
    with pytest.raises(NotFound, match=f"no pod with id {pod}"):
        await cri.pod_status(pod)


async def test_stop_and_remove_can_be_repeated_and_unknown_ids_are_success(cri: Cri) -> None:
    pod = await cri.run_pod()
    await cri.stop_pod(pod)
    await cri.stop_pod(pod)
    await cri.remove_pod(pod)
    await cri.remove_pod(pod)
    await cri.stop_pod(pod)
    await cri.remove("0" * 64)


async def test_metadata_labels_annotations_and_options_come_back_unchanged(cri: Cri) -> None:
    config = pod_config(cri.daemon, labels={"app": "web"}, annotations={"note": "x\ny"})
    pod = await cri.run_pod(config)
    status = await cri.pod_status(pod)
    assert status.metadata == config.metadata
    assert dict(status.labels) == {"app": "web"}
    assert dict(status.annotations) == {"note": "x\ny"}
    options = status.linux.namespaces.options
    assert options == config.linux.security_context.namespace_options


@pytest.mark.parametrize("hostname", ["under_score", "a" * 64, "web-", "a..b"])
async def test_a_hostname_that_other_runtimes_take_is_the_pods(cri: Cri, hostname: str) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, hostname=hostname))
    container = await cri.run(pod, ["sleep", "600"])
    script = "hostname; cat /etc/hostname; tail -n 1 /etc/hosts | cut -f 2; echo $HOSTNAME"
    assert (await cri.sh(container, script)).split() == [hostname] * 4


async def test_lists_filter_by_id_prefix_state_and_label(cri: Cri) -> None:
    blue = await cri.run_pod(pod_config(cri.daemon, labels={"color": "blue", "a": "1"}))
    red = await cri.run_pod(pod_config(cri.daemon, labels={"color": "red", "a": "1"}))
    await cri.stop_pod(red)
    ready = api.PodSandboxStateValue(state=api.SANDBOX_READY)
    assert await cri.pods(id=blue[:13]) == [blue]
    assert await cri.pods(state=ready) == [blue]
    assert await cri.pods(label_selector={"color": "red"}) == [red]
    assert set(await cri.pods(label_selector={"a": "1"})) == {blue, red}
    assert await cri.pods(label_selector={"a": "1", "color": "none"}) == []


async def test_the_same_name_twice_is_refused_and_the_next_attempt_is_not(cri: Cri) -> None:
    config = pod_config(cri.daemon)
    first = await cri.run_pod(config)
    with pytest.raises(AlreadyExists, match=first[:12]):
        await cri.run_pod(config)
    config.metadata.attempt = 1
    assert await cri.run_pod(config) != first


async def test_equal_requests_at_once_make_one_pod(cri: Cri) -> None:
    config = pod_config(cri.daemon)
    ids = await asyncio.gather(*(cri.run_pod(config) for _ in range(5)))
    assert len(set(ids)) == 1
    assert await cri.pods() == [ids[0]]


async def test_an_unknown_handler_is_refused_with_the_known_ones(cri: Cri) -> None:
    with pytest.raises(InvalidArgument, match=r"no handler 'kata' is configured; there are: crun"):
        await cri.run_pod(handler="kata")
    assert await cri.pods() == []


async def test_both_handlers_are_served_and_reported(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"])
    assert (await cri.pod_status(pod)).runtime_handler == handler
    assert (await cri.info(container))["runtimeHandler"] == handler


async def test_removing_a_pod_ends_its_running_containers(cri: Cri) -> None:
    pod = await cri.run_pod()
    container = await cri.run(pod, ["sleep", "600"])
    pid = (await cri.info(container))["pid"]
    await cri.remove_pod(pod)
    assert not Path(f"/proc/{pid}").exists()
    assert await cri.containers() == []


async def test_no_container_is_created_or_started_in_a_stopped_pod(cri: Cri) -> None:
    pod = await cri.run_pod()
    waiting = await cri.create(pod, container_config(["true"]))
    await cri.stop_pod(pod)
    with pytest.raises(WrongState, match="not ready"):
        await cri.create(pod, container_config(["true"], "other"))
    with pytest.raises(WrongState, match="not ready"):
        await cri.start(waiting)


async def test_an_invalid_sysctl_is_refused_and_leaves_nothing(cri: Cri) -> None:
    config = pod_config(cri.daemon)
    config.linux.sysctls["vm.swappiness"] = "1"
    with pytest.raises(InvalidArgument, match=r"vm.swappiness"):
        await cri.run_pod(config)
    assert await cri.pods() == []
    assert cri.daemon.traces() == []


async def test_sysctls_are_set_in_the_pods_namespaces_only(cri: Cri) -> None:
    config = pod_config(cri.daemon)
    config.linux.sysctls.update(
        {"net.ipv4.ip_local_port_range": "2000 3000", "kernel.shm_rmid_forced": "1"}
    )
    pod = await cri.run_pod(config)
    container = await cri.run(pod, ["sleep", "60"])
    ports = await cri.sh(container, "cat /proc/sys/net/ipv4/ip_local_port_range")
    assert ports.split() == ["2000", "3000"]
    assert await cri.sh(container, "cat /proc/sys/kernel/shm_rmid_forced") == "1\n"


async def test_fifty_pods_up_and_down_at_once_leave_nothing(cri: Cri) -> None:
    async def cycle() -> str:
        pod = await cri.run_pod()
        container = await cri.run(pod, ["sleep", "60"])
        assert (await cri.status(container)).state == api.CONTAINER_RUNNING
        ip = (await cri.pod_status(pod)).network.ip
        await cri.stop(container)
        await cri.stop_pod(pod)
        await cri.remove_pod(pod)
        return ip

    addresses = await asyncio.gather(*(cycle() for _ in range(50)))
    assert all(addresses)
    assert await cri.pods() == []
    assert cri.daemon.traces() == []


async def test_pods_reach_each_other_and_the_node_reaches_them(cri: Cri) -> None:
    first, second = await cri.run_pod(), await cri.run_pod()
    serving = ["sh", "-c", "echo hello > /var/www/index.html; httpd -f -p 80 -h /var/www"]
    await cri.run(first, serving)
    client = await cri.run(second, ["sleep", "60"])
    ip = (await cri.pod_status(first)).network.ip
    retry = "for i in 1 2 3 4 5 6 7 8 9; do wget -q -O - http://%s/ && exit 0; usleep 100000; done"
    assert await cri.sh(client, retry % ip) == "hello\n"
    assert (await child.run(["curl", "-s", f"http://{ip}/"])).stdout == b"hello\n"


async def test_a_host_port_reaches_the_pod_and_is_free_after_removal(cri: Cri) -> None:
    mapping = api.PortMapping(protocol=api.TCP, container_port=80, host_port=18080)
    pod = await cri.run_pod(pod_config(cri.daemon, port_mappings=[mapping]))
    container = await cri.run(
        pod, ["sh", "-c", "echo mapped > /var/www/index.html; httpd -f -p 80 -h /var/www"]
    )
    await cri.sh(container, "until wget -q -O - http://127.0.0.1/; do usleep 20000; done")
    fetch = ["curl", "-s", "-m", "3", "http://127.0.0.1:18080/"]
    assert (await child.run(fetch)).stdout == b"mapped\n"
    await cri.remove_pod(pod)
    assert (await child.run(fetch)).returncode != 0
