"""Pods on real bridge networks: addresses come, and every one of them goes back."""

import asyncio
import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.isolation import namespaces
from cri_shim.linux import nsenter
from cri_shim.network.network import Network

FAIL = """echo '{"code": 100, "msg": "broken"}'; exit 1"""
SPEAKS = """cat > /dev/null; test $CNI_COMMAND = VERSION && \
    echo '{"supportedVersions": ["1.0.0"]}' && exit"""


def connect(netns: str, address: str, port: int) -> int:
    """The errno of a TCP connection made inside a namespace."""

    def work() -> int:
        with socket.socket() as s:
            s.settimeout(5)
            return s.connect_ex((address, port))

    return nsenter.in_netns(Path(netns), work)


async def test_a_pod_gets_an_address_and_reaches_its_gateway(node, started):
    node.configure(node.bridge("10.99.1.0/24"))
    network = await started(node.network())
    pod = node.pod(network)

    attached = await network.attach(pod)

    assert attached.ips == ["10.99.1.2"]
    assert json.loads(attached.result)["ips"][0]["gateway"] == "10.99.1.1"
    assert connect(pod.network.netns_path, "10.99.1.1", 1) == 111  # refused: a host answers

    await network.detach(pod)

    assert node.reservations() == []
    assert await node.veths() == []


async def test_twenty_pods_in_parallel_on_two_networks_leave_no_reservation(node, started):
    networks = []
    for name in ("left", "right"):
        directory = node.where / name
        directory.mkdir()
        subnet = {"left": "10.99.2.0/24", "right": "10.99.3.0/24"}[name]
        node.configure(node.bridge(subnet, name), name=name, directory=directory)
        made = Network(
            directory, [node.bin_dir], node.where / f"cache-{name}", add_timeout=60, del_timeout=60
        )
        networks.append(await started(made))
    pods = [(network, node.pod(network)) for _ in range(10) for network in networks]

    attached = await asyncio.gather(*(network.attach(pod) for network, pod in pods))

    assert len({one.ips[0] for one in attached}) == len(node.reservations()) == 20

    await asyncio.gather(*(network.detach(pod) for network, pod in pods))

    assert node.reservations() == []
    assert await node.veths() == []


async def test_a_chain_that_fails_in_add_and_once_in_del_leaves_no_reservation(node, started):
    once = f"mkdir {node.where}/failed 2>/dev/null && {{ {FAIL}; }}"
    body = f"{SPEAKS}\ncase $CNI_COMMAND in ADD) {FAIL};; DEL) {once};; esac; exit 0"
    node.script(node.bin_dir / "flaky", body)
    node.configure(node.bridge("10.99.4.0/24"), {"type": "flaky"})
    network = await started(node.network())
    pods = [node.pod(network) for _ in range(5)]

    results = await asyncio.gather(*map(network.attach, pods), return_exceptions=True)

    assert ["broken" in str(error) for error in results] == [True] * 5
    assert node.reservations() == []
    assert await node.veths() == []


async def test_a_failed_address_leaves_no_interface_in_the_pod(node, started):
    """The bridge plugin itself leaves eth0 behind when its IPAM plugin fails."""
    node.script(node.bin_dir / "no-ipam", f"{SPEAKS}\ntest $CNI_COMMAND = DEL && exit\n{FAIL}")
    node.configure(node.bridge("10.99.4.0/24", ipam={"type": "no-ipam"}))
    network = await started(node.network())
    pod = node.pod(network)

    with pytest.raises(ToolFailed, match="broken"):
        await network.attach(pod)

    interfaces = nsenter.in_netns(Path(pod.network.netns_path), socket.if_nameindex)
    assert "eth0" not in [name for _, name in interfaces]


async def test_a_cancelled_add_is_undone_by_detach(node, started):
    os.mkfifo(node.where / "reached")
    slow = f"test $CNI_COMMAND = ADD && {{ echo > {node.where}/reached; sleep 60; }}; exit 0"
    node.script(node.bin_dir / "slow", f"{SPEAKS}\n{slow}")
    node.configure(node.bridge("10.99.5.0/24"), {"type": "slow"})
    network = await started(node.network())
    pod = node.pod(network)
    task = asyncio.create_task(network.attach(pod))
    await asyncio.to_thread((node.where / "reached").read_text)
    assert len(node.reservations()) == 1

    task.cancel()
    await asyncio.wait([task])
    await network.detach(pod)

    assert task.cancelled()
    assert node.reservations() == []


async def test_after_a_reboot_every_address_is_freed_from_the_records_alone(node, started):
    node.configure(node.bridge("10.99.6.0/24"))
    before = await started(node.network())
    pods = [node.pod(before) for _ in range(20)]
    await asyncio.gather(*map(before.attach, pods))
    assert len(node.reservations()) == 20

    for pod in pods:
        namespaces.unpin(Path(pod.network.netns_path))
    shutil.rmtree(node.conf_dir)
    for entry in (node.cache / "results").iterdir():
        entry.write_bytes(entry.read_bytes()[:17])
    after = node.network()
    await asyncio.gather(*map(after.detach, pods))

    assert node.reservations() == []
    assert list((node.cache / "results").iterdir()) == []


async def test_a_plugin_missing_at_del_is_an_error_until_it_is_back(node, started):
    node.configure(node.bridge("10.99.7.0/24"), {"type": "tuning"})
    network = await started(node.network())
    pod = node.pod(network)
    await network.attach(pod)
    (node.bin_dir / "tuning").rename(node.where / "tuning")

    with pytest.raises(ToolFailed, match=f"tuning is not installed .looked in {node.bin_dir}"):
        await network.detach(pod)

    assert node.reservations() == []  # the other plugins did their part
    (node.where / "tuning").rename(node.bin_dir / "tuning")
    await network.detach(pod)


async def test_gc_frees_leftovers_of_a_crash(node, started):
    node.configure(node.bridge("10.99.8.0/24"))
    network = await started(node.network())
    kept, lost = node.pod(network), node.pod(network)
    await network.attach(kept)
    await network.attach(lost)

    await network.gc(lambda: [(kept.id, "eth0")])

    assert len(node.reservations()) == 1
    await network.detach(kept)


async def test_two_address_families_are_both_reported(node, started):
    bridge = node.bridge("10.99.9.0/24")
    bridge["ipam"]["ranges"].append([{"subnet": "fd00:99::/64"}])
    node.configure(bridge)
    network = await started(node.network())
    pod = node.pod(network)

    attached = await network.attach(pod)
    await network.detach(pod)

    assert attached.ips == ["10.99.9.2", "fd00:99::2"]
