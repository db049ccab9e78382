"""Pulls that run, as operators see them, by a daemon on a node without skopeo."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cri_shim.aio import child
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.commands import command, cri_shim, in_terminal, shown
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, Setting, empty_daemon
from tests.fixtures.images import Image, Registry, Tar
from tests.fixtures.processes import helpers
from tests.fixtures.relay import Relay
from tests.fixtures.waiting import until

SIZE = 12 * Relay.PIECE


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry") / "own") as running:
        yield running


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    nowhere: Setting = ["/nowhere/skopeo"]
    with empty_daemon(0, **{"image.skopeo_path": nowhere}) as started:
        yield started


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        for image in (await calls.image.ListImages(api.ListImagesRequest())).images:
            await calls.image.RemoveImage(api.RemoveImageRequest(image=image.spec))


@pytest.fixture
def image() -> Image:
    return Image([Tar().file("small", b"x"), Tar().file("large", os.urandom(SIZE))])


@pytest.fixture
async def name(registry: Registry, image: Image) -> AsyncIterator[tuple[str, Relay]]:
    """The name of the image at a registry whose large answers can be stopped."""
    registry.push(image, "slow/app:1")
    async with Relay(registry.port) as relay:
        relay.open.clear()
        yield f"127.0.0.1:{relay.port}/slow/app:1", relay


async def pull(cri: Cri, name: str) -> str:
    pod = api.PodSandboxConfig(metadata=api.PodSandboxMetadata(name="web", namespace="shop"))
    spec = api.ImageSpec(image=name)
    request = api.PullImageRequest(image=spec, sandbox_config=pod)
    return str((await cri.image.PullImage(request)).image_ref)


async def status(cri: Cri) -> list[dict[str, object]]:
    answer = await cri.runtime.Status(api.StatusRequest(verbose=True))
    return list(json.loads(answer.info["pulls"]))


async def test_a_running_pull_is_seen_until_it_ends(
    cri: Cri, name: tuple[str, Relay], image: Image
) -> None:
    reference, relay = name
    pulling = asyncio.create_task(pull(cri, reference))
    seen = ""
    async with asyncio.timeout(20):
        while "downloading" not in seen or " done" not in seen:
            seen = await shown(cri, "image", "pulls")

    (facts,) = await status(cri)
    assert reference in seen
    assert "for shop/web" in seen
    assert (facts["image"], facts["askedBy"]) == (reference, ["shop/web"])
    assert facts["total"] == image.size
    relay.open.set()
    assert await pulling == image.id
    assert await status(cri) == []
    assert await shown(cri, "image", "pulls") == "no image is being pulled\n"


async def test_a_pull_of_the_command_line_tells_its_layers_in_lines_beside_the_id(
    cri: Cri, name: tuple[str, Relay], image: Image, tmp_path: Path
) -> None:
    reference, relay = name
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        words = command(cri, "image", "pull", reference)
        process = child.spawn(words, stdout=stdout.fileno(), stderr=stderr.fileno())
    try:
        await until(lambda: err.read_text().startswith("layer 1 of 2: "))
        relay.open.set()
        assert await process.wait() == 0
    finally:
        await process.end()
    assert out.read_text() == f"{image.id}\n"


async def test_a_quiet_pull_tells_the_id_alone(cri: Cri, name: tuple[str, Relay]) -> None:
    reference, relay = name
    relay.open.set()
    assert len(await shown(cri, "image", "pull", "--quiet", reference)) == 65


async def test_a_pull_on_a_terminal_draws_bars(
    cri: Cri, name: tuple[str, Relay], image: Image
) -> None:
    reference, relay = name
    async with in_terminal(*command(cri, "image", "pull", reference)) as terminal:
        await terminal.until(lambda seen: b"downloading" in seen and b"[======" in seen)
        relay.open.set()
        await terminal.until(lambda seen: image.id.encode() in seen)


async def test_a_failed_pull_says_so_once(cri: Cri, registry: Registry) -> None:
    done = await cri_shim(cri, "image", "pull", registry.name("absent/app:1"))
    assert done.returncode == 4  # not found
    assert len(done.stderr.splitlines()) == 1


async def test_what_needs_skopeo_says_what_to_install(cri: Cri, tmp_path: Path) -> None:
    archive = Image([Tar().file("x")]).write_docker_archive(tmp_path / "a.tar", ["a:1"])
    done = await cri_shim(cri, "image", "load", str(archive))
    assert done.returncode == 1
    assert b"install the package skopeo" in done.stderr


@pytest.fixture
def own_daemon() -> Iterator[Daemon]:
    """One of the test's own, to be killed."""
    with empty_daemon(1) as started:
        yield started


async def test_the_processes_of_a_pull_end_with_a_daemon_that_is_killed(
    own_daemon: Daemon, name: tuple[str, Relay]
) -> None:
    reference, _ = name
    async with Client(own_daemon.socket) as client:
        pulling = asyncio.create_task(pull(Cri(own_daemon, client), reference))
        await until(lambda: len(helpers(own_daemon.pid)) >= 2)
        pids = list(helpers(own_daemon.pid))
        own_daemon.kill()
        await asyncio.gather(pulling, return_exceptions=True)
    await until(lambda: not any(runs(pid) for pid in pids))


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
