"""Adjustments that the daemon carries out itself, because OCI runtimes do not."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.aio import child
from cri_shim.errors import CriShimError
from cri_shim.pb import nri_pb2 as pb
from tests.fixtures.cri import Cri, container_config
from tests.integration.nri.conftest import Connect

SLEEP = ["sleep", "60"]


def linux(**fields: Any) -> pb.CreateContainerResponse:
    adjust = pb.LinuxContainerAdjustment(**fields)
    return pb.CreateContainerResponse(adjust=pb.ContainerAdjustment(linux=adjust))


async def run(cri: Cri, connect: Connect, handler: str, answer: Any) -> tuple[str, int, Any]:
    """Run a container that a plugin adjusts; return its id, its pid and what plugins are told."""
    pod = await cri.run_pod(handler=handler)
    async with connect(CreateContainer=answer) as plugin:
        container = await cri.run(pod, SLEEP)
        [started] = plugin.told("PostStartContainer")
    told: Any = started
    return container, int((await cri.info(container))["pid"]), told.container


async def test_the_scheduler(cri: Cri, connect: Connect, handler: str) -> None:
    answer = linux(scheduler=pb.LinuxScheduler(policy=pb.SCHED_BATCH, nice=9))
    _, pid, told = await run(cri, connect, handler, answer)

    assert os.sched_getscheduler(pid) == os.SCHED_BATCH
    assert os.getpriority(os.PRIO_PROCESS, pid) == 9
    assert (told.linux.scheduler.policy, told.linux.scheduler.nice) == (pb.SCHED_BATCH, 9)


async def test_the_io_priority(cri: Cri, connect: Connect, handler: str) -> None:
    wanted = pb.LinuxIOPriority(**{"class": pb.IOPRIO_CLASS_IDLE}, priority=0)
    _, pid, _ = await run(cri, connect, handler, linux(io_priority=wanted))

    shown = await child.run(["ionice", "-p", str(pid)])
    assert shown.stdout.strip() == b"idle"


async def test_the_memory_policy(cri: Cri, connect: Connect, handler: str) -> None:
    answer = linux(memory_policy=pb.LinuxMemoryPolicy(mode=pb.MPOL_BIND, nodes="0"))
    _, pid, _ = await run(cri, connect, handler, answer)

    lines = Path(f"/proc/{pid}/numa_maps").read_text().splitlines()
    assert {line.split()[1] for line in lines} == {"bind:0"}


@pytest.fixture
def pair() -> Iterator[tuple[str, str]]:
    """Two interfaces of the node that are connected; the first has addresses."""
    names = f"cstv{os.getpid() % 10**6}", f"cstw{os.getpid() % 10**6}"
    ip = ["ip", "link", "add", names[0], "mtu", "1400", "type", "veth", "peer", "name", names[1]]
    subprocess.run(ip, check=True)
    for address in ("192.0.2.7/24", "2001:db8::7/64"):
        subprocess.run(["ip", "address", "add", address, "dev", names[0], "nodad"], check=True)
    yield names
    subprocess.run(["ip", "link", "delete", names[1]], check=False, stderr=subprocess.DEVNULL)


async def test_a_network_device_moves_with_its_addresses(
    cri: Cri, connect: Connect, handler: str, pair: tuple[str, str]
) -> None:
    device = pb.LinuxNetDevice(name="data0")
    container, pid, told = await run(cri, connect, handler, linux(net_devices={pair[0]: device}))

    show = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "address", "show", "dev", "data0"]
    shown = (await child.run(show)).stdout.decode()
    assert "mtu 1400" in shown
    assert ",UP" in shown
    assert "inet 192.0.2.7/24" in shown
    assert "inet6 2001:db8::7/64 scope global" in shown
    assert not Path(f"/sys/class/net/{pair[0]}").exists()
    assert told.linux.net_devices[pair[0]].name == "data0"
    # A second container of the pod, such as this one after a restart, finds it there.
    pod = (await cri.info(container))["sandboxID"]
    async with connect(CreateContainer=linux(net_devices={pair[0]: device})):
        await cri.run(pod, SLEEP, "again")


async def test_a_network_device_that_the_node_has_not_fails_the_start(
    cri: Cri, connect: Connect
) -> None:
    pod = await cri.run_pod()
    answer = linux(net_devices={"cstnone": pb.LinuxNetDevice()})
    async with connect(CreateContainer=answer):
        container = await cri.create(pod, container_config(SLEEP))
        with pytest.raises(CriShimError, match="device cstnone cannot be moved into it: No such"):
            await cri.start(container)
    status = await cri.exited(container)
    assert (status.reason, status.exit_code) == ("StartError", 128)


async def test_a_scheduler_that_the_kernel_refuses_fails_the_start(
    cri: Cri, connect: Connect
) -> None:
    pod = await cri.run_pod()
    answer = linux(scheduler=pb.LinuxScheduler(policy=pb.SCHED_OTHER, priority=3))
    async with connect(CreateContainer=answer):
        container = await cri.create(pod, container_config(SLEEP))
        with pytest.raises(CriShimError, match="its scheduler is refused: Invalid argument"):
            await cri.start(container)


async def test_nodes_of_memory_that_the_node_has_not_fail_the_start(
    cri: Cri, connect: Connect
) -> None:
    pod = await cri.run_pod()
    answer = linux(memory_policy=pb.LinuxMemoryPolicy(mode=pb.MPOL_BIND, nodes="77"))
    async with connect(CreateContainer=answer):
        container = await cri.create(pod, container_config(SLEEP))
        with pytest.raises(CriShimError, match="Invalid argument"):
            await cri.start(container)
    await asyncio.wait_for(cri.remove(container), 60)
