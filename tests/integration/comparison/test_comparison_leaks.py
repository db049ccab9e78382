"""leaks: unfinished work and leftovers. Work in hand is neither."""

import asyncio
import json
from pathlib import Path

import pytest

from cri_shim.errors import CriShimError
from cri_shim.pb import control_pb2 as control
from tests.fixtures.cri import container_config, pod_config
from tests.fixtures.daemon import Daemon
from tests.integration.comparison import plants
from tests.integration.comparison.conftest import Node

PODS, ROUNDS = 4, 6


async def test_a_removal_that_fails_is_a_leak_until_a_try_succeeds(node: Node) -> None:
    pod = await node.rig.cri.run_pod()
    assert node.leaks() == []
    node.rig.order("pods.remove.directory", "fail")
    with pytest.raises(CriShimError, match="will be retried"):
        await node.rig.cri.remove_pod(pod)

    (leak,) = node.leaks()
    table = node.run("leaks").stdout
    node.rig.pardon()
    await node.rig.no_retries()

    assert (leak["class"], leak["id"]) == ("removal", pod)
    assert "injected fault at pods.remove.directory" in str(leak["next"])
    assert leak["since"]
    assert "removal" in table
    assert node.leaks() == []


async def test_a_leftover_is_a_leak_with_its_path_until_it_is_mended(node: Node) -> None:
    id = plants.new_id()
    path = await plants.pins(node, id)

    found = node.leaks()
    await node.compare(repair=True)

    assert path in {leak["path"] for leak in found}
    assert {leak["next"] for leak in found} == {
        "`cri-shim check --repair` removes it, and so does the next start"
    }
    assert node.leaks() == []


async def test_work_in_hand_is_shown_only_with_all(node: Node) -> None:
    cri = node.rig.cri
    pod = await cri.run_pod()
    container = await cri.run(pod, ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
    stopping = asyncio.create_task(cri.stop(container, timeout=60))
    async with asyncio.timeout(30):
        while not (shown := node.leaks("--all")):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    hidden = node.leaks()
    await cri.stop(container, timeout=0)
    await stopping

    assert [(each["class"], each["id"]) for each in shown] == [("stop", container)]
    assert str(shown[0]["next"]).startswith("in hand")
    assert hidden == []


async def test_pods_that_come_and_go_are_no_difference(node: Node) -> None:
    cri, done = node.rig.cri, asyncio.Event()

    async def churn(number: int) -> None:
        while not done.is_set():
            pod = await cri.run_pod(pod_config(node.daemon, f"churn{number}-{plants.new_id()[:8]}"))
            container = await cri.create(pod, container_config(["sleep", "0.05"]))
            await cri.start(container)
            await cri.exited(container)
            await cri.stop_pod(pod)
            await cri.remove_pod(pod)

    churning = [asyncio.create_task(churn(number)) for number in range(PODS)]
    found = []
    for _ in range(ROUNDS):
        found += await node.compare(repair=True)
    done.set()
    await asyncio.gather(*churning)

    assert found == []


async def test_a_daemon_that_does_not_answer_is_not_compared(
    node: Node, daemon: Daemon, tmp_path: Path
) -> None:
    command = ("--socket", str(tmp_path / "none.sock"))
    shown = node.run(*command, "leaks")
    repaired = node.run(*command, "check", "--repair")

    assert shown.returncode == repaired.returncode == 3
    for done in (shown, repaired):
        (line,) = done.stderr.splitlines()
        assert f"{daemon.root} is in use by process" in line
        assert "does not answer" in line


async def test_the_counts_are_those_of_the_list(node: Node) -> None:
    await plants.directory(node, plants.new_id())

    answer = await node.rig.cri.control.Leaks(control.LeaksRequest())
    await node.compare(repair=True)

    assert [leak["class"] for leak in json.loads(answer.json)["leaks"]] == ["directory"]
