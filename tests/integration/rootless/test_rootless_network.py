"""Pods of an unprivileged user with a network of their own: pasta, slirp4netns, or nothing."""

from collections.abc import Iterator

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.user import UserDaemon, alive, kill, user_daemon
from tests.fixtures.user_machine import NODE, SERVER, Machine
from tests.fixtures.user_pods import another_process, on_the_node, process_of

ADDRESSES = {"pasta": NODE, "slirp4netns": "10.0.2.100"}
SERVERS = {"pasta": "169.254.1.1", "slirp4netns": "10.0.2.3"}


@pytest.fixture(scope="module", params=["pasta", "slirp4netns"])
def program(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def daemon(node: Machine, program: str) -> Iterator[UserDaemon]:
    with user_daemon(node, **{"network.user_mode": program}) as started:
        yield started


async def test_a_pod_has_an_address_and_reaches_the_node(
    cri: Cri, daemon: UserDaemon, program: str
) -> None:
    server = await cri.run_pod(on_the_node(daemon))
    serve = f"echo reached >/var/www/index.html; exec httpd -f -p {SERVER}:8123 -h /var/www"
    await cri.run(server, ["sh", "-c", serve])
    pod = await cri.run_pod()
    assert (await cri.pod_status(pod)).network.ip == ADDRESSES[program]
    container = await cri.run(pod, ["sleep", "1000"])
    fetch = f"until wget -q -O - http://{SERVER}:8123/; do usleep 10000; done"
    assert (await cri.sh(container, fetch)) == "reached\n"


async def test_name_servers_on_the_nodes_loopback_are_reached_by_another_address(
    cri: Cri, program: str
) -> None:
    pod = await cri.run_pod()
    container = await cri.run(pod, ["sleep", "1000"])
    expected = f"nameserver {SERVERS[program]}\nsearch test\n"
    assert (await cri.sh(container, "cat /etc/resolv.conf")) == expected


async def test_the_process_of_a_pods_network_ends_with_the_pod(
    cri: Cri, daemon: UserDaemon
) -> None:
    pod = await cri.run_pod()
    pid = await process_of(cri, pod)
    assert alive(pid)
    await cri.stop_pod(pod)
    assert not alive(pid)
    await cri.remove_pod(pod)
    assert daemon.traces() == []


async def test_a_network_process_that_dies_is_started_again(
    cri: Cri, daemon: UserDaemon, program: str
) -> None:
    pod = await cri.run_pod()
    container = await cri.run(pod, ["sleep", "1000"])
    before = await process_of(cri, pod)
    kill(before)
    await another_process(daemon, pod, before)
    script = f"until ip addr show eth0 | grep -o {ADDRESSES[program]}; do usleep 10000; done"
    assert ADDRESSES[program] in (await cri.sh(container, script))


async def test_a_host_port_is_published_or_refused(
    cri: Cri, daemon: UserDaemon, program: str
) -> None:
    port = api.PortMapping(host_port=8088, container_port=80, host_ip="127.0.0.1")
    config = pod_config(daemon, port_mappings=[port])
    if program == "slirp4netns":
        with pytest.raises(InvalidArgument, match="install passt"):
            await cri.run_pod(config)
        return
    pod = await cri.run_pod(config)
    serve = "mkdir -p /www; echo published >/www/index.html; exec httpd -f -p 80 -h /www"
    await cri.run(pod, ["sh", "-c", serve])
    outside = await cri.run(await cri.run_pod(on_the_node(daemon)), ["sleep", "1000"])
    fetch = "until wget -q -O - http://127.0.0.1:8088/; do usleep 10000; done"
    assert (await cri.sh(outside, fetch)) == "published\n"
