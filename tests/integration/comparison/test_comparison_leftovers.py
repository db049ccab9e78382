"""Each class of leftovers is found, left alone by a dry run, repaired, and is clean afterwards.

A pod with a running container and a stopped one are there in every test: neither is a difference.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cri_shim.isolation import namespaces
from cri_shim.isolation.hierarchies import Hierarchies
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import pod_config
from tests.integration.comparison import plants
from tests.integration.comparison.conftest import Node

SLEEP = ["sleep", "600"]


@pytest.fixture(autouse=True)
async def bystander(node: Node) -> AsyncIterator[str]:
    """A running container with a host port, beside a stopped pod; it runs at the end, too."""
    cri = node.rig.cri
    mapping = api.PortMapping(protocol=api.UDP, container_port=53, host_port=16353)
    pod = await cri.run_pod(pod_config(node.daemon, port_mappings=[mapping]))
    container = await cri.run(pod, SLEEP)
    stopped = await cri.run_pod()
    await cri.exited(await cri.run(stopped, ["true"]))
    await cri.stop_pod(stopped)
    await node.rig.settled()
    yield container
    assert (await cri.status(container)).state == api.CONTAINER_RUNNING
    assert (await cri.exec(container, "true")).exit_code == 0


async def test_pods_at_rest_are_no_difference(node: Node) -> None:
    assert await node.compare() == []
    assert await node.compare(repair=True) == []


@pytest.mark.parametrize("name", plants.ALL)
async def test_a_leftover_is_found_and_mended(node: Node, name: str) -> None:
    kind, plant = plants.ALL[name]
    id = plants.new_id()
    path = await plant(node, id)

    found = await node.compare()
    again = await node.compare()
    repaired = await node.compare(repair=True)

    assert (kind, path) in {(each["class"], each["path"]) for each in found}
    assert {each["sort"] for each in found} == {"leftover"}
    assert {each["id"] for each in found} <= {id, ""}
    assert again == found
    assert {each["result"] for each in repaired} == {"repaired"}, repaired
    assert await node.compare() == []


async def test_a_running_container_is_found_in_every_class_and_has_its_name(node: Node) -> None:
    id = plants.new_id()
    await plants.container(node, id)

    found = await node.compare()

    assert {each["class"] for each in found} == {
        "directory", "mount", "conmon", "OCI runtime", "control group"
    }  # fmt: skip
    named = {each["object"] for each in found}
    assert f"container test/lost/main ({id[:12]})" in named
    assert {each["result"] for each in await node.compare(repair=True)} == {"repaired"}


async def test_a_repair_that_fails_says_why_and_the_next_one_succeeds(node: Node) -> None:
    path = await plants.layer(node, plants.new_id())
    node.rig.order("comparison.repair.act", "fail")
    (failed,) = await node.compare(repair=True)
    node.rig.pardon()

    assert failed["result"] == "injected fault at comparison.repair.act"
    assert Path(path).is_dir()
    assert [each["result"] for each in await node.compare(repair=True)] == ["repaired"]


async def test_what_others_own_is_no_difference(node: Node) -> None:
    paths = plants.paths(node.daemon)
    other = plants.new_id()
    kept = [paths.pods() / "notes", node.daemon.root / "layers" / "README", paths.root / "mine"]
    for path in kept:
        path.mkdir()
    netns = paths.netns(other)
    namespaces.pin({"net": netns}, hostname=None, sysctls={})
    group = Hierarchies().all()[0].group(f"cri-shim-other-{other[:8]}/{other}")
    group.mkdir(parents=True)
    try:
        assert await node.compare(repair=True) == []
        assert all(path.exists() for path in (*kept, netns, group))
    finally:
        namespaces.unpin(netns)
        group.rmdir()
        group.parent.rmdir()
        for path in kept:
            path.rmdir()


async def test_the_command_shows_and_mends_them_and_says_it_with_its_exit_code(node: Node) -> None:
    id = plants.new_id()
    path = await plants.directory(node, id)

    shown = node.run("check")
    repaired = node.run("check", "--repair")
    clean = node.run("check")

    assert shown.returncode == 1
    (line,) = [line for line in shown.stdout.splitlines() if path in line]
    assert line.split()[:4] == ["directory", "leftover", "pod", id[:12]]
    assert "cri-shim check --repair repairs 1 of them" in shown.stdout
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert "1 difference was repaired" in repaired.stdout
    assert clean.returncode == 0
    assert "agree with the node" in clean.stdout
    assert not Path(path).exists()


async def test_equal_comparisons_at_the_same_time_are_one(node: Node) -> None:
    def looks() -> int:
        return node.daemon.log.read_text().count("ran iptables-save -t nat")

    before = looks()
    found = await asyncio.gather(*(node.compare() for _ in range(8)))

    assert found == [[]] * 8
    assert looks() - before < 8
