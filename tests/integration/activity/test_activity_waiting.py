"""What is waited for is said: in the log, in `info`, in the list of pods, and in errors."""

import asyncio
import re

import grpc.aio
import pytest

from cri_shim.errors import AlreadyExists, TimedOut, WrongState
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.client import Client
from tests.fixtures.commands import shown
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.waiting import until
from tests.integration.activity.conftest import WAITS, Gate, in_progress, info, lines, waiting


async def changing(cri: Cri) -> list[control.ChangingPod]:
    return list((await cri.control.ListChangingPods(control.ListChangingPodsRequest())).pods)


async def test_a_hanging_plugin_is_named_in_info_and_the_list_of_pods(cri: Cri, gate: Gate) -> None:
    making = asyncio.create_task(cri.run_pod(pod_config(cri.daemon, "hang")))
    operation = await waiting(cri, "pod test/hang")
    (listed,) = await changing(cri)
    facts = await info(cri)
    gate.open()
    id = await making
    assert (operation["verb"], operation["id"]) == ("RunPodSandbox", id)
    assert operation["waits"][0]["limit"] > 0
    assert (listed.namespace, listed.name, listed.state) == ("test", "hang", "Creating")
    assert listed.id == id
    assert listed.waits_for.startswith(WAITS)
    assert facts["inProgress"][0]["waits"][0]["for"].startswith(WAITS)
    assert await in_progress(cri) == []
    assert await changing(cri) == []


async def test_errors_of_other_calls_say_what_the_pod_waits_for(cri: Cri, gate: Gate) -> None:
    config = pod_config(cri.daemon, "busy")
    making = asyncio.create_task(cri.run_pod(config))
    operation = await waiting(cri, "pod test/busy")
    with pytest.raises(WrongState, match=f"in progress since .*waiting for {WAITS}"):
        await cri.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id=operation["id"]))
    other = api.PodSandboxConfig()
    other.CopyFrom(config)
    other.hostname = "other"
    with pytest.raises(AlreadyExists, match=f"different configuration, .*waiting for {WAITS}"):
        await cri.run_pod(other)
    gate.open()
    await making


@pytest.mark.waits
async def test_a_step_that_takes_long_is_a_warning_and_its_end_has_the_duration(
    cri: Cri, gate: Gate
) -> None:
    making = asyncio.create_task(cri.run_pod(pod_config(cri.daemon, "slow")))
    await until(lambda: lines(cri, "pod test/slow"))
    (warning,) = lines(cri, "pod test/slow")
    gate.open()
    id = await making
    told = rf"WARNING activity pod test/slow \({id[:12]}\): still waiting for {WAITS}.* \("
    assert re.search(told + r"RunPodSandbox, \d+ s of \d+ s\)", warning)
    assert lines(cri, f"INFO activity pod test/slow ({id[:12]}): {WAITS}", "ended after ")
    (line,) = lines(cri, "RunPodSandbox test/slow")
    assert re.search(rf"OK {id} \(CNI flaky ADD \d{{4,}}, ", line)


async def test_a_deadline_of_the_caller_is_told_as_one_to_it_and_in_the_log(
    cri: Cri, gate: Gate
) -> None:
    request = api.RunPodSandboxRequest(config=pod_config(cri.daemon, "late"))
    with pytest.raises(TimedOut, match=f"waiting for {WAITS}.*; the work continues"):
        await cri.runtime.RunPodSandbox(request, timeout=5)
    with pytest.raises(TimedOut, match=f"waiting for {WAITS}"):  # a retry joins the work
        await cri.runtime.RunPodSandbox(request, timeout=2)
    gate.open()
    await cri.runtime.RunPodSandbox(request)
    gave_up = "the caller gave up after 5 s (its deadline); the work continues: " + WAITS
    assert lines(cri, "WARNING", "RunPodSandbox test/late", gave_up)
    assert lines(cri, "CancelledError") == []


async def test_a_cancelled_call_is_told_as_one(cri: Cri, gate: Gate) -> None:
    request = api.RunPodSandboxRequest(config=pod_config(cri.daemon, "gone"))
    async with Client(cri.daemon.socket) as client:

        async def run() -> None:
            await client.runtime.RunPodSandbox(request)

        call = asyncio.create_task(run())
        await waiting(cri, "pod test/gone")
        call.cancel()
        with pytest.raises((asyncio.CancelledError, grpc.aio.AioRpcError)):
            await call
        await until(lambda: lines(cri, "RunPodSandbox test/gone"))
    gate.open()
    await cri.runtime.RunPodSandbox(request)
    gave_up = f"(it cancelled the call, or its connection closed); the work continues: {WAITS}"
    assert lines(cri, "RunPodSandbox test/gone", gave_up)


async def test_pods_lists_a_pod_that_is_being_made(cri: Cri, gate: Gate) -> None:
    making = asyncio.create_task(cri.run_pod(pod_config(cri.daemon, "made")))
    id = (await waiting(cri, "pod test/made"))["id"]
    table = await shown(cri, "pods", "--name", "made")
    ready = await shown(cri, "pods", "--name", "made", "--state", "ready")
    ids = await shown(cri, "pods", "-q")
    gate.open()
    await making
    assert re.search(rf"^{id[:13]} .* Creating +made +test ", table, re.MULTILINE)
    assert "made" not in ready
    assert id not in ids


async def test_the_level_of_the_log_is_shown_and_changed(cri: Cri) -> None:
    assert await shown(cri, "log-level") == "log level: info\n"
    assert await shown(cri, "log-level", "debug") == "log level: debug (it was info)\n"
    assert (await info(cri))["daemon"]["logLevel"] == "debug"
    assert await shown(cri, "log-level", "info") == "log level: info (it was debug)\n"
