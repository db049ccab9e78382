"""A daemon for each test; its directories are made once per file. Calls survive its restarts."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from cri_shim.pb import api_pb2 as api
from tests.chaos.rig import Rig, mortal_daemon
from tests.chaos.scenario import ImageScenario, PodScenario, Step
from tests.fixtures.artifacts import Artifact, Layer, archive
from tests.fixtures.daemon import Daemon
from tests.fixtures.images import Image, Registry, Tar

IMAGE = "chaos:1"
ARTIFACT = "chaos-artifact:1"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry") / "own") as running:
        layers = [Tar().file(f"file{n}", b"x" * 1000) for n in range(2)]
        running.push(Image(layers), IMAGE)
        data = archive(Tar().file("in-archive", b"z" * 1000).bytes(), "data")
        running.push(Artifact(Layer(b"y" * 1000, "file"), data), ARTIFACT)
        yield running


@pytest.fixture(scope="module")
def place(registry: Registry) -> Iterator[Daemon]:
    """A daemon that has run its first pod, which makes some permanent files, and has ended."""
    with mortal_daemon({"image.registries_conf": str(registry.conf)}) as daemon:
        asyncio.run(_first_pod(daemon))
        daemon.kill()
        yield daemon


async def _first_pod(daemon: Daemon) -> None:
    async with Rig(daemon) as rig:
        for step in PodScenario(rig).steps:
            await step.act()


@pytest.fixture
def daemon(place: Daemon) -> Iterator[Daemon]:
    """Start the daemon before the test; kill it at the end if it still runs."""
    place.faults.unlink(missing_ok=True)
    place.start()
    yield place
    place.kill()


@pytest.fixture
async def rig(daemon: Daemon, registry: Registry) -> AsyncIterator[Rig]:
    """Calls to the daemon. At the end every pod is removed, and nothing may be left."""
    async with Rig(daemon) as calls:
        nothing = await calls.settled()
        yield calls
        calls.pardon()
        await calls.live()
        await calls.cri.remove_all()
        for name in (IMAGE, ARTIFACT):
            image = api.ImageSpec(image=registry.name(name))
            await calls.cri.image.RemoveImage(api.RemoveImageRequest(image=image))
        await calls.becomes(nothing)


@pytest.fixture
def steps(rig: Rig, registry: Registry, point: str) -> Sequence[Step]:
    """The scenario that passes the fault point."""
    if point.startswith("images."):
        return ImageScenario(rig, registry.name(IMAGE), registry.name(ARTIFACT)).steps
    return PodScenario(rig).steps
