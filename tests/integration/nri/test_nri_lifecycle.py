"""Every event of real pods and containers, once and in order; and plugins that join meanwhile."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import nri_pb2 as pb
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon
from tests.integration.nri.conftest import Connect


async def test_the_events_of_a_life(cri: Cri, connect: Connect, handler: str) -> None:
    async with connect() as plugin:
        pod = await cri.run_pod(handler=handler)
        container = await cri.run(pod, ["sleep", "60"])
        limits = api.LinuxContainerResources(cpu_shares=512)
        update = api.UpdateContainerResourcesRequest(container_id=container, linux=limits)
        await cri.runtime.UpdateContainerResources(update)
        resize = api.UpdatePodSandboxResourcesRequest(pod_sandbox_id=pod, resources=limits)
        await cri.runtime.UpdatePodSandboxResources(resize)
        await cri.stop(container)
        await cri.stop(container)
        await cri.remove(container)
        await cri.stop_pod(pod)
        await cri.stop_pod(pod)
        await cri.remove_pod(pod)

    assert plugin.of(pod, container) == [
        "RunPodSandbox",
        "CreateContainer",
        "PostCreateContainer",
        "StartContainer",
        "PostStartContainer",
        "UpdateContainer",
        "PostUpdateContainer",
        "UpdatePodSandbox",
        "PostUpdatePodSandbox",
        "StopContainer",
        "RemoveContainer",
        "StopPodSandbox",
        "RemovePodSandbox",
    ]


async def test_the_messages_describe_pod_and_container(
    cri: Cri, daemon: Daemon, connect: Connect
) -> None:
    async with connect() as plugin:
        config = pod_config(daemon, "described", labels={"l": "1"}, annotations={"a": "2"})
        pod = await cri.run_pod(config)
        container = await cri.run(pod, ["sleep", "60"], annotations={"b": "3"})
        [made] = plugin.told("RunPodSandbox")
        [creating] = plugin.told("CreateContainer")
        [started] = plugin.told("PostStartContainer")

    told: Any = made.pod  # type: ignore[attr-defined]
    status = await cri.pod_status(pod)
    assert (told.id, told.name, told.namespace) == (pod, "described", "test")
    assert (dict(told.labels), dict(told.annotations)) == ({"l": "1"}, {"a": "2"})
    assert list(told.ips) == [status.network.ip]
    namespaces = {n.type: n.path for n in told.linux.namespaces}
    assert Path(namespaces["network"]).exists()
    new: Any = creating.container  # type: ignore[attr-defined]
    assert (new.id, new.pod_sandbox_id, list(new.args)) == (container, pod, ["sleep", "60"])
    assert new.annotations["b"] == "3"
    assert {"/proc", "/dev"} <= {mount.destination for mount in new.mounts}
    assert new.image.name
    running: Any = started.container  # type: ignore[attr-defined]
    assert running.state == pb.CONTAINER_RUNNING
    assert running.pid == (await cri.info(container))["pid"]
    assert running.linux.cgroups_path.endswith(container)


async def test_a_container_that_ends_by_itself_is_told_once(cri: Cri, connect: Connect) -> None:
    async with connect() as plugin:
        container = await cri.run(await cri.run_pod(), ["sh", "-c", "exit 3"])
        await cri.exited(container)
        await plugin.until("StopContainer")
        await cri.stop(container)
        await cri.remove(container)
        [stopped] = plugin.told("StopContainer")

    told: Any = stopped.container  # type: ignore[attr-defined]
    assert (told.state, told.exit_code) == (pb.CONTAINER_STOPPED, 3)


async def test_a_plugin_that_joins_gets_what_exists(cri: Cri, connect: Connect) -> None:
    pod = await cri.run_pod()
    running = await cri.run(pod, ["sleep", "60"], "running")
    created = await cri.create(pod, container_config(["true"], "created"))
    ended = await cri.run(pod, ["true"], "ended")
    await cri.exited(ended)
    async with connect() as plugin:
        [synchronized] = plugin.told("Synchronize")
        await cri.remove_pod(pod)

    told: Any = synchronized
    assert [found.id for found in told.pods] == [pod]
    assert {found.id: found.state for found in told.containers} == {
        running: pb.CONTAINER_RUNNING,
        created: pb.CONTAINER_CREATED,
        ended: pb.CONTAINER_STOPPED,
    }
    assert plugin.of(ended) == ["RemoveContainer"]
    assert plugin.of(running, created)[:1] == ["StopContainer"]


async def test_plugins_that_join_while_containers_are_made_miss_nothing(
    cri: Cri, connect: Connect
) -> None:
    pod = await cri.run_pod()

    async def make(number: int) -> str:
        return await cri.create(pod, container_config(["true"], f"c{number}"))

    making = [asyncio.create_task(make(number)) for number in range(8)]
    seen: list[set[str]] = []
    doubles = []
    for number in range(4):
        async with connect(str(20 + number)) as plugin:
            await asyncio.gather(*making)
            at_first: Any = plugin.told("Synchronize")[0]
            known = [found.id for found in at_first.containers]
            later = [r.container.id for r in plugin.told("CreateContainer")]  # type: ignore[attr-defined]
            seen.append(set(known + later))
            doubles.append(len(known + later) - len(set(known + later)))
    containers = {task.result() for task in making}

    assert doubles == [0, 0, 0, 0]
    assert all(found == containers for found in seen)


@pytest.mark.parametrize("method", ["CreateContainer", "StartContainer"])
async def test_what_a_plugin_refuses_is_undone_and_told(
    cri: Cri, connect: Connect, method: str
) -> None:
    pod = await cri.run_pod()
    async with connect(**{method: "not here"}) as plugin:
        with pytest.raises(ToolFailed, match=f"NRI plugin 10-fake refuses {method}: not here"):
            await cri.run(pod, ["sleep", "60"])
        created: Any = plugin.told("CreateContainer")[0]
        left = await cri.containers(pod_sandbox_id=pod)
        for container in left:
            await cri.remove(container)
        events = plugin.of(created.container.id)

    assert events[-2:] == ["StopContainer", "RemoveContainer"]
    assert len(left) == (method == "StartContainer")


async def test_a_pod_that_a_plugin_refuses_leaves_nothing(cri: Cri, connect: Connect) -> None:
    async with connect(RunPodSandbox="full") as plugin:
        with pytest.raises(ToolFailed, match="NRI plugin 10-fake refuses RunPodSandbox: full"):
            await cri.run_pod()
        assert plugin.methods[2:] == ["RunPodSandbox", "StopPodSandbox", "RemovePodSandbox"]
    assert await cri.pods() == []


async def test_an_update_that_a_plugin_refuses_changes_nothing(cri: Cri, connect: Connect) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "60"])
    async with connect(UpdateContainer="no"):
        limits = api.LinuxContainerResources(cpu_shares=512)
        request = api.UpdateContainerResourcesRequest(container_id=container, linux=limits)
        with pytest.raises(ToolFailed, match="NRI plugin 10-fake refuses UpdateContainer: no"):
            await cri.runtime.UpdateContainerResources(request)
    assert (await cri.status(container)).resources.linux.cpu_shares == 0


async def test_events_of_the_past_that_a_plugin_refuses_fail_nothing(
    cri: Cri, connect: Connect
) -> None:
    past = ["PostCreateContainer", "PostStartContainer", "StopContainer", "RemoveContainer"]
    async with connect(**dict.fromkeys([*past, "StopPodSandbox", "RemovePodSandbox"], "no")):
        pod = await cri.run_pod()
        container = await cri.run(pod, ["sleep", "60"])
        await cri.stop(container)
        await cri.remove(container)
        await cri.remove_pod(pod)
