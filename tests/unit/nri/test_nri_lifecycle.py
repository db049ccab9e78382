"""Reports of pods and containers: each event once, in order, with what plugins change."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cri_shim.engine import Paths
from cri_shim.errors import ToolFailed
from cri_shim.nri.joining import Limits
from cri_shim.nri.lifecycle import Reports
from cri_shim.nri.plugins import Plugins
from cri_shim.nri.rules import Rules
from cri_shim.nri.validation import Validators
from cri_shim.objects import ObjectStore, changed
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import nri_pb2 as pb
from cri_shim.pb import state_pb2 as state
from cri_shim.spec.host import Host
from cri_shim.state.memory import MemoryStore
from cri_shim.work import Work
from tests.fixtures.nri_plugin import FakePlugin
from tests.fixtures.objects import put
from tests.unit.nri.facts import DOCUMENT


class Node:
    def __init__(self, directory: Path, rules: Rules | None = None) -> None:
        engine: Any = SimpleNamespace(
            objects=ObjectStore(MemoryStore()),
            paths=Paths(directory, directory, directory),
            host=Host(cgroup_v2=False, bounding=frozenset()),
            work=Work(),
        )
        self.engine = engine
        self.pod = put(engine.objects, state.PodRecord(id="p" * 64, phase=state.POD_READY))
        self.reports = Reports(engine, Validators(rules))
        self.plugins = Plugins(Limits(30, 30), self._update, self.reports.known)
        self.reports.open(self.plugins)

    async def _update(
        self, plugin: str, request: pb.UpdateContainersRequest
    ) -> list[pb.ContainerUpdate]:
        return []

    def container(self, id: str = "c" * 64) -> state.ContainerRecord:
        record = state.ContainerRecord(
            id=id, pod_id=self.pod.id, phase=state.CONTAINER_CREATING, cgroups_path=f"/{id}"
        )
        return put(self.engine.objects, record)

    async def close(self) -> None:
        await self.plugins.close()
        self.reports.close()
        await self.engine.work.drain(0)
        await self.engine.objects.close()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    made = Node(tmp_path)
    yield made
    await made.close()


async def joined(node: Node, fake: FakePlugin, work: Any) -> None:
    ours, theirs = socket.socketpair()
    joining = asyncio.create_task(node.plugins.join(ours))
    async with fake.connected(theirs):
        await joining
        await work()
        await node.plugins.close()


async def test_the_life_of_a_container_is_told_once(node: Node) -> None:
    fake = FakePlugin()

    async def life() -> None:
        record = node.container()
        await node.reports.container_creating(node.pod, record, DOCUMENT)
        record = node.engine.objects.put(changed(record, phase=state.CONTAINER_CREATED))
        await node.reports.container_created(record)
        await node.reports.container_starting(record)
        await node.reports.container_started(record)
        ended = changed(record, phase=state.CONTAINER_EXITED, finished_at=5, exit_code=3)
        node.engine.objects.observe(ended)
        await node.reports.container_stopped(ended)
        await node.reports.container_stopped(ended)
        await node.reports.container_removed(ended)
        await node.reports.container_removed(ended)
        await node.reports.pod_stopped(node.pod)
        await node.reports.pod_stopped(node.pod)
        await node.reports.pod_removed(node.pod)

    await joined(node, fake, life)

    assert fake.methods[2:-1] == [
        *("CreateContainer", "PostCreateContainer", "StartContainer", "PostStartContainer"),
        *("StopContainer", "RemoveContainer", "StopPodSandbox", "RemovePodSandbox"),
    ]
    [stopped] = fake.told("StopContainer")
    assert stopped.container.exit_code == 3  # type: ignore[attr-defined]


async def test_a_new_container_gets_what_a_plugin_adjusts(node: Node) -> None:
    fake = FakePlugin()
    adjust = pb.ContainerAdjustment(env=[pb.KeyValue(key="NEW", value="1")])
    adjust.linux.resources.cpu.shares.value = 300
    fake.answers["CreateContainer"] = pb.CreateContainerResponse(adjust=adjust)
    found: list[Any] = []

    async def create() -> None:
        found.append(await node.reports.container_creating(node.pod, node.container(), DOCUMENT))

    await joined(node, fake, create)

    assert "NEW=1" in found[0].document["process"]["env"]
    assert found[0].resources.cpu_shares == 300
    assert "NEW=1" not in DOCUMENT["process"]["env"]


async def test_without_a_plugin_nothing_changes(node: Node) -> None:
    found = await node.reports.container_creating(node.pod, node.container(), DOCUMENT)

    assert found.document is DOCUMENT


async def test_a_plugin_changes_an_update(node: Node) -> None:
    fake, record = FakePlugin(), node.container()
    update = pb.ContainerUpdate(container_id=record.id)
    update.linux.resources.cpu.shares.value = 7
    update.linux.resources.pids.limit = 9
    fake.answers["UpdateContainer"] = pb.UpdateContainerResponse(update=[update])
    asked = api.LinuxContainerResources(cpu_shares=1, cpu_quota=5, oom_score_adj=3)
    found: list[Any] = []

    async def change() -> None:
        found.append(await node.reports.container_updating(record, asked))

    await joined(node, fake, change)

    wanted = api.LinuxContainerResources(cpu_shares=7, cpu_quota=5, oom_score_adj=3)
    assert found == [(wanted, {"pids": {"limit": 9}})]


async def test_a_refusal_of_the_future_is_an_error_and_one_of_the_past_is_not(node: Node) -> None:
    fake = FakePlugin()
    fake.answers["RunPodSandbox"] = fake.answers["StopPodSandbox"] = "no"

    async def pods() -> None:
        with pytest.raises(ToolFailed, match="refuses RunPodSandbox: no"):
            await node.reports.pod_made(node.pod)
        await node.reports.pod_stopped(node.pod)
        await node.reports.pod_removed(node.pod)

    await joined(node, fake, pods)

    assert fake.methods[2:-1] == ["RunPodSandbox", "StopPodSandbox", "RemovePodSandbox"]


async def test_the_default_validator_needs_no_plugin(tmp_path: Path) -> None:
    node = Node(tmp_path, Rules(required=("topology",)))

    with pytest.raises(ToolFailed, match="needs NRI plugins that are not connected: topology"):
        await node.reports.container_creating(node.pod, node.container(), DOCUMENT)
    await node.close()
