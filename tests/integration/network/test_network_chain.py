"""Real plugins behind the bridge: host ports, bandwidth, tuning; and the bundled network."""

import socket
from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.isolation import namespaces
from cri_shim.linux import nsenter
from cri_shim.network import bundled, masquerade
from cri_shim.network.bundled import Bundled
from cri_shim.pb import api_pb2

PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
BANDWIDTH = {"type": "bandwidth", "capabilities": {"bandwidth": True}}
WEB = [api_pb2.PortMapping(host_port=8080, container_port=80)]


def listen(netns: str, port: int) -> socket.socket:
    def work() -> socket.socket:
        return socket.create_server(("", port))

    return nsenter.in_netns(Path(netns), work)


def visit(netns: Path | str, address: str, port: int) -> str:
    """Connect from inside a namespace; returns the address the connection came from."""

    def work() -> str:
        with socket.create_connection((address, port), timeout=5) as connection:
            own: str = connection.getsockname()[0]
            return own

    return nsenter.in_netns(Path(netns), work)


async def test_a_host_port_reaches_the_pod_and_its_rules_are_removed_with_it(node, started):
    node.configure(node.bridge("10.98.1.0/24"), PORTMAP)
    network = await started(node.network())
    first = node.pod(network, port_mappings=WEB)
    await network.attach(first)  # makes the chains that portmap keeps for ever
    await network.detach(first)
    rules = rules_of(await node.run("iptables-save", "-t", "nat"))

    for _ in range(3):
        pod = node.pod(network, port_mappings=WEB)
        await network.attach(pod)
        with listen(pod.network.netns_path, 80):
            visit(node.netns, "10.98.1.1", 8080)
        await network.detach(pod)
        assert rules_of(await node.run("iptables-save", "-t", "nat")) == rules

    assert node.reservations() == []


def rules_of(dump: str) -> list[str]:
    """The rules of a dump of iptables-save, without times and counters."""
    return [line for line in dump.splitlines() if line.startswith("-A")]


async def test_a_pod_without_ports_does_not_use_portmap(node, started):
    node.configure(node.bridge("10.98.1.0/24"), PORTMAP, BANDWIDTH)
    network = await started(node.network())
    pod = node.pod(network)

    await network.attach(pod)
    await network.detach(pod)

    assert list(pod.network.attachments[0].skipped_plugins) == ["bandwidth", "portmap"]
    assert "CNI" not in await node.run("iptables-save", "-t", "nat")


async def test_a_pod_with_host_ports_is_refused_if_no_plugin_maps_them(node, started):
    node.configure(node.bridge("10.98.5.0/24"))
    network = await started(node.network())

    with pytest.raises(InvalidArgument, match=r"net\.conflist\) maps host ports; add"):
        node.pod(network, port_mappings=WEB)

    allowing = await started(node.network(unmapped_host_ports=True))
    assert node.pod(allowing, port_mappings=WEB).network.attachments


async def test_host_ports_are_removed_although_the_namespace_is_gone(node, started):
    node.configure(node.bridge("10.98.2.0/24"), PORTMAP)
    network = await started(node.network())
    pod = node.pod(network, port_mappings=WEB)
    await network.attach(pod)
    assert "--dport 8080" in await node.run("iptables-save", "-t", "nat")

    namespaces.unpin(Path(pod.network.netns_path))
    await network.detach(pod)

    assert "--dport 8080" not in await node.run("iptables-save", "-t", "nat")
    assert node.reservations() == []


async def test_bandwidth_annotations_limit_the_pod_until_its_removal(node, started):
    node.configure(node.bridge("10.98.3.0/24"), BANDWIDTH)
    network = await started(node.network())
    limits = {"kubernetes.io/ingress-bandwidth": "10M", "kubernetes.io/egress-bandwidth": "5M"}
    pod = node.pod(network, annotations=limits)

    await network.attach(pod)
    shaped = await node.run("tc", "qdisc", "show")
    await network.detach(pod)

    assert "rate 10Mbit" in shaped
    assert "rate 5Mbit" in shaped
    assert "tbf" not in await node.run("tc", "qdisc", "show")
    assert await node.veths() == []


async def test_tuning_sets_its_parameters_in_the_pod(node, started):
    node.configure(
        node.bridge("10.98.4.0/24"), {"type": "tuning", "sysctl": {"net.core.somaxconn": "517"}}
    )
    network = await started(node.network())
    pod = node.pod(network)

    await network.attach(pod)

    netns = Path(pod.network.netns_path)
    assert nsenter.in_netns(netns, Path("/proc/sys/net/core/somaxconn").read_text) == "517\n"
    await network.detach(pod)


class TestBundled:
    async def test_a_pod_reaches_the_world_with_the_address_of_the_node(self, node, started):
        network = await started(node.network(bundled=Bundled("10.98.5.0/24")))
        outside = await self.outside(node)
        pod = node.pod(network)
        await network.attach(pod)

        with listen(str(outside), 80) as server:
            visit(pod.network.netns_path, "192.0.2.2", 80)
            _, (seen, _) = server.accept()

        assert seen == "192.0.2.1"
        assert await node.run("sysctl", "-n", "net.ipv4.ip_forward") == "1\n"
        await network.detach(pod)
        assert node.reservations() == []

    async def outside(self, node) -> Path:
        """Another host, one hop from the node."""
        netns: Path = node.netns.with_name(f"{node.name}-outside")
        namespaces.pin({"net": netns}, hostname=None, sysctls={})
        node.pods.append(netns)
        await node.run(
            "ip", "link", "add", "up0", "type", "veth", "peer", "eth0", "netns", str(netns)
        )
        await node.run("ip", "address", "add", "192.0.2.1/24", "dev", "up0")
        await node.run("ip", "link", "set", "up0", "up")
        await node.run("ip", "-n", netns.name, "address", "add", "192.0.2.2/24", "dev", "eth0")
        await node.run("ip", "-n", netns.name, "link", "set", "eth0", "up")
        return netns

    async def test_pods_of_one_subnet_see_each_other_unmasked(self, node, started):
        network = await started(node.network(bundled=Bundled("10.98.6.0/24")))
        one, other = node.pod(network), node.pod(network)
        address = (await network.attach(one)).ips[0]
        mine = (await network.attach(other)).ips[0]

        with listen(one.network.netns_path, 80) as server:
            visit(other.network.netns_path, address, 80)
            _, (seen, _) = server.accept()

        assert seen == mine
        await network.detach(one)
        await network.detach(other)

    async def test_a_new_pod_cidr_does_not_disturb_existing_pods(self, node, started):
        network = await started(node.network(bundled=Bundled("10.98.6.0/24")))
        old = node.pod(network)
        address = (await network.attach(old)).ips[0]

        await network.set_pod_cidr("10.97.0.0/24")
        new = node.pod(network)
        assert (await network.attach(new)).ips == ["10.97.0.2"]

        with listen(old.network.netns_path, 80):
            visit(new.network.netns_path, address, 80)
        await network.detach(old)
        await network.detach(new)
        assert node.reservations() == []

    async def test_uninstalling_leaves_neither_bridge_nor_rule(self, node, started, monkeypatch):
        network = await started(node.network(bundled=Bundled("10.98.6.0/24", "own0")))
        pod = node.pod(network)
        await network.attach(pod)
        await network.detach(pod)
        assert "own0" in await node.run("ip", "-brief", "link")
        (sys := node.where / "sys").mkdir()
        monkeypatch.setattr(bundled, "SYS_NET", sys)  # the node's bridges are not in our own
        (sys / "own0" / "brif" / "veth1").mkdir(parents=True)
        with pytest.raises(WrongState, match="veth1"):
            await network.uninstall()

        (sys / "own0" / "brif" / "veth1").rmdir()
        await network.uninstall()

        assert "own0" not in await node.run("ip", "-brief", "link")
        assert "cri_shim" not in await node.run("nft", "list", "ruleset")


async def test_the_masquerade_rule_is_made_once_and_can_be_removed(node):
    await masquerade.ensure("10.98.7.0/24")
    await masquerade.ensure("10.98.7.0/24")
    await masquerade.ensure("fd00:98::/64")

    rules = await node.run("nft", "list", "ruleset")
    assert rules.count("ip saddr 10.98.7.0/24") == 1
    assert rules.count("ip6 saddr fd00:98::/64") == 1

    await masquerade.remove("10.98.7.0/24")
    await masquerade.remove("10.98.7.0/24")
    await masquerade.remove("fd00:98::/64")
    assert "cri_shim" not in await node.run("nft", "list", "ruleset")


async def test_without_nft_the_rule_is_made_by_iptables(node, monkeypatch):
    monkeypatch.setenv("PATH", f"{node.tool_dir}:/usr/bin:/bin")
    (node.tool_dir / "nft").rename(node.where / "nft")
    await masquerade.ensure("10.98.7.0/24")
    once = rules_of(await node.run("iptables-save", "-t", "nat"))
    await masquerade.ensure("10.98.7.0/24")

    assert rules_of(await node.run("iptables-save", "-t", "nat")) == once
    assert once == [
        "-A POSTROUTING -j CRI-SHIM-MASQ",
        "-A CRI-SHIM-MASQ -s 10.98.7.0/24 -d 10.98.7.0/24 -j RETURN",
        "-A CRI-SHIM-MASQ -s 10.98.7.0/24 -d 224.0.0.0/4 -j RETURN",
        "-A CRI-SHIM-MASQ -s 10.98.7.0/24 -j MASQUERADE",
    ]

    await masquerade.remove("10.98.7.0/24")
    assert rules_of(await node.run("iptables-save", "-t", "nat")) == once[:1]
