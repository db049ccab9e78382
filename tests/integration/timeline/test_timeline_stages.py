"""Which line of a timeline has the time, with pods as the real programs make them."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from cri_shim.errors import CriShimError, NotFound
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.timeline.entry import FIRST_LINE
from tests.fixtures.commands import shown, shown_json
from tests.fixtures.cri import LIMIT_S, POLL_S, Cri, container_config, pod_config
from tests.integration.timeline.conftest import operations, stages

SLEEP_S = 2.0


@pytest.mark.parametrize("stage", ["precreate", "createRuntime", "createContainer", "poststart"])
async def test_a_sleep_in_a_plugin_and_one_in_a_hook_are_in_those_two_lines_alone(
    cri: Cri, node: Any, handler: str, stage: str
) -> None:
    node.plugin_sleeps(SLEEP_S)
    node.hook("dozing", stage, f"sleep {SLEEP_S}")
    name = f"slow-{handler}-{stage.lower()}"
    pod = await cri.run_pod(pod_config(cri.daemon, name), handler)
    await cri.run(pod, ["sleep", "600"])

    document = await shown_json(cri, "timeline", name, "--json")

    own = sorted(
        ((one["ownSeconds"], one["name"]) for o in document["operations"] for one in o["stages"]),
        reverse=True,
    )
    assert {name for _, name in own[:2]} == {"CNI slow ADD", "hook dozing"}
    assert own[1][0] >= SLEEP_S - 0.05  # a process's start is known to a clock tick
    assert own[2][0] < own[1][0]
    assert document["startSeconds"] >= 2 * SLEEP_S - 0.05


async def test_the_stages_of_a_start_are_those_of_its_steps(cri: Cri, node: Any) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, "whole"))
    await cri.run(pod, ["sh", "-c", "sleep 1; echo here; sleep 600"])
    await until_told(cri, pod, lambda operation: operation["verb"] == FIRST_LINE)
    found = await operations(cri, "test/whole")
    made, created, started, line = found.values()
    assert list(found) == ["RunPodSandbox", "CreateContainer", "StartContainer", "first log line"]
    assert {"namespaces", "sync", "network", "CNI slow ADD", "CNI quick ADD"} <= set(stages(made))
    assert stages(made)["CNI slow ADD"]["waitedFor"] == "CNI plugin slow, ADD of network testnet"
    assert {"image lookup", "root file system", "document"} <= set(stages(created))
    assert {"crun create", "crun start"} <= set(stages(started))
    assert line["seconds"] >= 1.0
    assert [one["kind"] for one in found.values()] == ["pod", *["container"] * 3]


async def test_a_pod_whose_plugin_fails_has_a_timeline(cri: Cri, node: Any) -> None:
    node.plugin_fails()
    with pytest.raises(CriShimError, match="no address is free"):
        await cri.run_pod(pod_config(cri.daemon, "refused"))
    (made,) = (await operations(cri, "refused")).values()
    assert "no address is free" in made["failure"]
    assert stages(made)["CNI quick ADD"]["failed"]
    assert not stages(made)["CNI slow ADD"]["failed"]
    assert "  failed: " in await shown(cri, "timeline", "refused")


async def test_what_hangs_now_is_in_progress(cri: Cri, node: Any) -> None:
    node.plugin_sleeps(SLEEP_S)
    making = asyncio.create_task(cri.run_pod(pod_config(cri.daemon, "hanging")))
    open = await until_told(cri, "hanging", lambda o: "CNI slow ADD" in stages(o))
    await making
    assert (open["verb"], open["open"], open["failure"]) == ("RunPodSandbox", True, "")
    assert stages(open)["CNI slow ADD"]["waitedFor"].startswith(
        "CNI plugin slow, ADD of network testnet"
    )


async def until_told(
    cri: Cri, pod: str, what: Callable[[dict[str, Any]], object]
) -> dict[str, Any]:
    """Return the operation of which `what` is so, as soon as there is one."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            with suppress(NotFound):
                answer = await cri.control.Timeline(control.TimelineRequest(pod=pod))
                for operation in json.loads(answer.json)["operations"]:
                    if what(operation):
                        return dict(operation)
            await asyncio.sleep(POLL_S)


async def test_the_verbose_statuses_have_the_timeline(cri: Cri, node: Any) -> None:
    pod = await cri.run_pod()
    container = await cri.create(pod, container_config(["sleep", "600"]))
    await cri.start(container)
    of_pod = await cri.runtime.PodSandboxStatus(
        api.PodSandboxStatusRequest(pod_sandbox_id=pod, verbose=True)
    )
    of_container = await cri.runtime.ContainerStatus(
        api.ContainerStatusRequest(container_id=container, verbose=True)
    )
    verbs = [
        [operation["verb"] for operation in json.loads(answer.info["timeline"])["operations"]]
        for answer in (of_pod, of_container)
    ]
    assert verbs == [
        ["RunPodSandbox", "CreateContainer", "StartContainer"],
        ["CreateContainer", "StartContainer"],
    ]
