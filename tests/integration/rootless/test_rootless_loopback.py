"""A user without pasta and slirp4netns: pods have the node's network, or the loopback alone."""

from collections.abc import Iterator

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri
from tests.fixtures.user import UserDaemon, user_daemon
from tests.fixtures.user_machine import Machine, machine


@pytest.fixture(scope="module", params=[True, False], ids=["none wanted", "no tun"])
def node(request: pytest.FixtureRequest) -> Iterator[Machine]:
    with machine(tun=request.param) as made:
        yield made


@pytest.fixture(scope="module")
def daemon(node: Machine) -> Iterator[UserDaemon]:
    wanted = "none" if node.tun else "auto"
    with user_daemon(node, **{"network.user_mode": wanted}) as started:
        yield started


async def test_the_network_is_not_ready_and_the_status_has_a_remedy(
    cri: Cri, daemon: UserDaemon
) -> None:
    status = await cri.runtime.Status(api.StatusRequest())
    conditions = {c.type: c for c in status.status.conditions}
    assert not conditions["NetworkReady"].status
    expected = "network.user_mode is none" if daemon.machine.tun else "needs /dev/net/tun"
    assert expected in conditions["NetworkReady"].message
    assert conditions["RuntimeReady"].status
    level = "INFO" if daemon.machine.tun else "WARNING"
    told = [line for line in daemon.log.read_text().splitlines() if f" {level} problems." in line]
    assert any(expected in line for line in told)


async def test_a_pod_has_only_the_loopback_interface(cri: Cri) -> None:
    pod = await cri.run_pod()
    assert (await cri.pod_status(pod)).network.ip == ""
    container = await cri.run(pod, ["sleep", "1000"])
    assert (await cri.sh(container, "ls /sys/class/net")) == "lo\n"
    assert "127.0.0.1" in (await cri.sh(container, "ip addr show lo"))
