"""A plugin on the published Go module: the protocol in both directions, and a real container."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.nri.joining import Limits
from cri_shim.nri.listener import Listener
from cri_shim.nri.plugins import Plugins
from cri_shim.pb import nri_pb2 as pb
from tests.fixtures.cri import Cri
from tests.nri.program import build, running

MIB = 1 << 20


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("go"))


def answers(directory: Path, **calls: Any) -> Path:
    file = directory / "answers.json"
    file.write_text(json.dumps(calls))
    return file


class Runtime:
    """The runtime's side of the protocol, without containers."""

    def __init__(self, socket: Path) -> None:
        self.containers: list[pb.Container] = []
        self.asked: list[pb.UpdateContainersRequest] = []
        self.plugins = Plugins(Limits(60, 60), self._update, self._known)
        self.listener = Listener(socket, self.plugins)
        self.listener.open()

    async def _known(self) -> tuple[list[pb.PodSandbox], list[pb.Container]]:
        return [pb.PodSandbox(id="p")], self.containers

    async def _update(
        self, plugin: str, request: pb.UpdateContainersRequest
    ) -> list[pb.ContainerUpdate]:
        self.asked.append(request)
        return list(request.update)[:1]


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    made = Runtime(tmp_path / "nri.sock")
    yield made
    await made.listener.close()
    await made.plugins.close()


def of_size(size: int, id: str = "c") -> pb.Container:
    return pb.Container(id=id, labels={"x": "y" * size})


@pytest.mark.parametrize("size", [1, 4000, 4096, 5000, 70_000, 4 * MIB - 100])
async def test_a_message_of_any_size_arrives_whole(
    runtime: Runtime, program: Path, tmp_path: Path, size: int
) -> None:
    runtime.containers = [of_size(size)]
    async with running(program, tmp_path / "nri.sock") as plugin:
        told = plugin.events[-1]

    assert told["containers"] == ["c"]
    assert told["size"] == runtime.containers[0].ByteSize()


async def test_many_containers_arrive_in_parts(
    runtime: Runtime, program: Path, tmp_path: Path
) -> None:
    runtime.containers = [of_size(MIB, str(number)) for number in range(10)]
    async with running(program, tmp_path / "nri.sock") as plugin:
        assert plugin.events[-1]["containers"] == [str(number) for number in range(10)]


@pytest.mark.parametrize("size", [1, 5000, 3 * MIB])
async def test_an_answer_of_any_size_arrives_whole(
    runtime: Runtime, program: Path, tmp_path: Path, size: int
) -> None:
    adjust = {"adjust": {"annotations": {"x": "y" * size}}}
    file = answers(tmp_path, CreateContainer=adjust)
    async with running(program, tmp_path / "nri.sock", answers=file):
        async with runtime.plugins.turn() as [plugin]:
            answer = pb.CreateContainerResponse()
            await plugin.event("CreateContainer", pb.CreateContainerRequest(), answer)

    assert len(answer.adjust.annotations["x"]) == size


async def test_a_call_of_the_plugin_is_answered(
    runtime: Runtime, program: Path, tmp_path: Path
) -> None:
    async with running(program, tmp_path / "nri.sock") as plugin:
        updates = [{"container_id": str(number) + "x" * 2000} for number in range(1000)]
        answer = await plugin.update(*updates)

    assert [update.container_id for update in runtime.asked[0].update] == [
        update["container_id"] for update in updates
    ]
    assert (len(answer["failed"]), answer["error"]) == (1, "")


async def test_an_error_of_the_plugin_is_its_text(
    runtime: Runtime, program: Path, tmp_path: Path
) -> None:
    file = answers(tmp_path, CreateContainer={"no such field": 1})
    async with running(program, tmp_path / "nri.sock", answers=file):
        async with runtime.plugins.turn() as [plugin]:
            with pytest.raises(ToolFailed, match=r"10-go refuses CreateContainer: .*no such field"):
                await plugin.event(
                    "CreateContainer", pb.CreateContainerRequest(), pb.CreateContainerResponse()
                )


async def test_a_go_plugin_adjusts_a_container_and_sees_its_life(
    cri: Cri, place: Path, program: Path, tmp_path: Path, handler: str
) -> None:
    adjust = {
        "annotations": {"by": "go"},
        "env": [{"key": "BY", "value": "go"}],
        "mounts": [{"destination": "/go", "type": "tmpfs", "source": "tmpfs"}],
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 100, "soft": 50}],
        "linux": {
            "resources": {"cpu": {"shares": {"value": 321}}},
            "oom_score_adj": {"value": 99},
            "sysctl": {"net.ipv4.ip_unprivileged_port_start": "99"},
        },
    }
    file = answers(tmp_path, CreateContainer={"adjust": adjust})
    async with running(program, place / "nri.sock", answers=file) as plugin:
        pod = await cri.run_pod(handler=handler)
        container = await cri.run(pod, ["sleep", "60"])
        started = await plugin.until("PostStartContainer")
        assert "BY=go" in await cri.sh(container, "env; mount | grep /go; ulimit -n")
        assert (await cri.sh(container, "ulimit -n")).strip() == "50"
        await cri.remove_pod(pod)
        await plugin.until("RemovePodSandbox")

    assert started["container"]["state"] == "CONTAINER_RUNNING"
    assert started["container"]["linux"]["resources"]["cpu"]["shares"] == {"value": "321"}
    assert plugin.names()[2:] == [
        *("RunPodSandbox", "CreateContainer", "PostCreateContainer"),
        *("StartContainer", "PostStartContainer", "StopContainer", "RemoveContainer"),
        *("StopPodSandbox", "RemovePodSandbox"),
    ]
