"""Host ports of pods: every rule is removed with its pod, and traffic reaches the next pod.

The daemon has a network namespace of its own as its node: all rules in it belong to its pods.
"""

import json
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from cri_shim.errors import CriShimError
from cri_shim.isolation import namespaces
from cri_shim.linux import nsenter
from cri_shim.pb import api_pb2 as api
from tests.chaos import world
from tests.chaos.cni_spy import Spy
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.cri import pod_config
from tests.fixtures.daemon import Daemon

T = TypeVar("T")

CYCLES, FAILS_IN = 16, 5
HOST_PORT, PORT = 15353, 53
ANSWER_S = 5.0
# The real plugin, except for one DEL after the file was made.
FAILING_ONCE = """#!/bin/sh
if [ "$CNI_COMMAND" = DEL ] && rm {order} 2>/dev/null; then
    echo '{{"cniVersion": "1.0.0", "code": 111, "msg": "told to fail"}}'; exit 1
fi
exec /usr/lib/cni/portmap
"""


def node(daemon: Daemon) -> Path:
    return daemon.directory / "node"


def order(daemon: Daemon) -> Path:
    return daemon.directory / "fail-del"


def on_a_node_of_its_own(daemon: Daemon) -> None:
    namespaces.pin({"net": node(daemon)}, hostname=None, sysctls={})
    daemon.wrapper = ["/usr/bin/nsenter", f"--net={node(daemon)}"]
    spy = Spy(daemon.directory / "plugins")
    spy.install()
    portmap = spy.directory / "portmap"
    portmap.unlink()
    portmap.write_text(FAILING_ONCE.format(order=order(daemon)))
    portmap.chmod(0o755)
    daemon.settings["cni_plugin_dir"] = str(spy.directory)
    listed = json.loads(spy.conflist(daemon.bridge, daemon.subnet, daemon.root / "cni/networks"))
    ports = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    listed["plugins"][1] = ports
    (daemon.directory / "net.d").mkdir()
    (daemon.directory / "net.d" / "10-ports.conflist").write_text(json.dumps(listed))


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}, on_a_node_of_its_own) as started:
        yield started


def rules(daemon: Daemon) -> list[str]:
    """Return every rule and chain on the node, without counters."""
    dump = subprocess.run(
        [*daemon.wrapper, "iptables-save"], check=True, capture_output=True, text=True
    )
    found = [line for line in dump.stdout.splitlines() if line.startswith(("-A", ":"))]
    return sorted(re.sub(r" \[\d+:\d+\]", "", line) for line in found)


def within(netns: Path, work: Callable[[], T]) -> T:
    return nsenter.in_netns(netns, work)


def bound(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("", port))
    made.settimeout(ANSWER_S)
    return made


async def pod_with_port(rig: Rig) -> str:
    mapping = api.PortMapping(protocol=api.UDP, container_port=PORT, host_port=HOST_PORT)
    return await rig.cri.run_pod(pod_config(rig.daemon, port_mappings=[mapping]))


def netns(daemon: Daemon, pod: str) -> Path:
    return world.netns(daemon) / f"cri-shim-{pod}"


async def test_every_rule_is_removed_with_its_pod_and_datagrams_reach_the_next_one(
    rig: Rig,
) -> None:
    daemon = rig.daemon
    await rig.cri.remove_pod(await pod_with_port(rig))  # this makes the chains that stay forever
    before, nothing = rules(daemon), await rig.settled()
    address = daemon.subnet.replace("0/24", "1"), HOST_PORT
    with within(node(daemon), lambda: bound(40000)) as client:
        client.sendto(b"too early", address)  # the kernel remembers its destination
        for number in range(CYCLES):
            pod = await pod_with_port(rig)
            with within(netns(daemon, pod), lambda: bound(PORT)) as server:
                client.sendto(b"%d" % number, address)
                assert server.recv(100) == b"%d" % number
            if number == FAILS_IN:
                order(daemon).touch()
                with pytest.raises(CriShimError, match="told to fail"):
                    await rig.cri.stop_pod(pod)
                assert rules(daemon) != before
            await rig.cri.remove_pod(pod)
            assert rules(daemon) == before
            client.sendto(b"to nobody", address)
    await rig.becomes(nothing)
