"""Addresses, the CNI cache and host ports against records."""

import os
from pathlib import Path

import pytest

from cri_shim.comparison import leases, ports, results
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.pb import state_pb2 as state
from tests.unit.comparison.conftest import POD, STRANGER, Instance

RULES = r"""
-A CNI-DN-5f0c1 -s 10.87.0.0/16 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-5f0c1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.87.0.9:80
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"cri-shim\" id: \"ID\"" -m multiport --dports 8080 -j CNI-DN-5f0c1
""".splitlines()  # noqa: E501
NFT = ['ip daddr 0.0.0.0/0 tcp dport 8080 dnat ip to 10.87.0.9:80 comment "ID"']
RULES6 = [line.replace("10.87.0.9:", "[fd00::9]:") for line in RULES]


def lease(directory: Path, ip: str, holder: str, age: float = 0.0) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / ip).write_text(holder)
    when = (directory / ip).stat().st_mtime - age
    os.utime(directory / ip, (when, when))
    return directory / ip


def of_leases(instance: Instance, others: Path = Path("/nowhere")) -> dict[str, Difference]:
    found = leases.find(instance.place(), instance.records(), others)
    return {difference.path: difference for difference in found}


def test_addresses_without_a_pod_are_leftovers(instance: Instance) -> None:
    instance.pod()
    directory = instance.paths.root / "cni/networks/cri-shim"
    stray = lease(directory, "10.87.0.2", f"{STRANGER}\r\neth0")
    torn = lease(directory, "10.87.0.3", "", age=leases.WRITTEN_S + 1)
    lease(directory, "10.87.0.4", "")  # host-local is about to write the id
    lease(directory, "10.87.0.5", f"{POD}\r\neth0")
    lease(directory, "last_reserved_ip.0", "10.87.0.5")

    found = of_leases(instance)

    assert found.keys() == {str(stray), str(torn)}
    assert {difference.repair for difference in found.values()} == {leases.FREE}


def test_the_address_of_a_detached_pod_is_a_leftover(instance: Instance) -> None:
    instance.pod(state.POD_NOTREADY)
    kept = lease(instance.paths.root / "cni/networks/cri-shim", "10.87.0.5", POD)

    found = of_leases(instance)
    instance.pods[POD].network.attachments.add(network="cri-shim")

    assert found.keys() == {str(kept)}
    assert of_leases(instance) == {}


def test_addresses_of_other_runtimes_are_left_alone(instance: Instance) -> None:
    others = instance.top / "others"
    theirs = lease(others / "net", "10.1.0.2", STRANGER)

    assert of_leases(instance, others) == {}

    instance.paths.pod(STRANGER).mkdir(parents=True)
    assert of_leases(instance, others).keys() == {str(theirs)}


def test_an_unreserved_address_of_a_ready_pod_is_lost(instance: Instance) -> None:
    instance.pod()
    directory = instance.paths.root / "cni/networks"
    network = instance.pods[POD].network
    network.ips.extend(["10.87.0.5", "fd00::5"])
    network.attachments.add(network="cri-shim", config=f'{{"dataDir":"{directory}"}}'.encode())
    lease(directory / "cri-shim", "10.87.0.5", POD)

    (difference,) = of_leases(instance).values()

    assert (difference.sort, difference.repair) == (Sort.LOST, "")
    assert difference.path.endswith("fd00::5")


def test_the_addresses_of_pods_are_found_by_their_ids(tmp_path: Path) -> None:
    ours = lease(tmp_path / "net", "10.1.0.2", f"{POD}\r\neth0")
    lease(tmp_path / "net", "10.1.0.3", STRANGER)

    assert leases.held_by({POD}, tmp_path) == [ours]


def test_cached_attachments_of_no_pod_are_leftovers(instance: Instance) -> None:
    instance.pod()
    instance.pods[POD].network.attachments.add(network="cri-shim", interface="eth0")
    directory = instance.paths.root / "cni/results"
    directory.mkdir(parents=True)
    names = [f"cri-shim-{POD}-eth0", f"my-net-{STRANGER}-eth0", f"cri-shim-{POD}-eth1"]
    for name in [*names, f".cri-shim-{STRANGER}-eth0", "something else"]:
        (directory / name).touch()

    found = [Path(d.path).name for d in results.find(instance.place(), instance.records())]

    assert found == [f"cri-shim-{POD}-eth1", f"my-net-{STRANGER}-eth0"]


def of_ports(instance: Instance, lines: list[str], id: str, *subnets: str) -> list[Difference]:
    lines = [line.replace("ID", id) for line in lines]
    return list(ports.find(instance.place(), instance.records(), lines, subnets))


@pytest.mark.parametrize("lines", [RULES, NFT], ids=["iptables", "nftables"])
def test_host_ports_of_the_bundled_network_without_a_record_are_leftovers(
    lines: list[str], instance: Instance
) -> None:
    (difference,) = of_ports(instance, lines, STRANGER, "10.87.0.0/16")

    assert difference.path == "host port rules to 10.87.0.9"
    assert difference.id == STRANGER
    assert of_ports(instance, lines, STRANGER, "10.88.0.0/16") == []


def test_host_ports_of_ipv6_have_their_address(instance: Instance) -> None:
    (difference,) = of_ports(instance, RULES6, STRANGER, "fd00::/64")

    assert difference.path == "host port rules to fd00::9"


def test_host_ports_of_a_pod_of_ours_need_an_attachment(instance: Instance) -> None:
    instance.pod(state.POD_NOTREADY)
    assert len(of_ports(instance, RULES, POD)) == 1
    instance.pods[POD].network.attachments.add(network="cri-shim")
    assert of_ports(instance, RULES, POD) == []
