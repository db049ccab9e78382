"""A registry for the whole session, and an image store on a fresh root for each test."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from cri_shim.images import Images
from cri_shim.linux.boot import boot_id
from cri_shim.state.memory import MemoryStore
from cri_shim.store.image_store import ImageStore
from cri_shim.store.manifest import host_architecture
from cri_shim.store.skopeo import Skopeo
from tests.fixtures.images import Registry

Open = Callable[..., Awaitable[Images]]


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry") / "own") as running:
        yield running


@pytest.fixture
def state() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def open_images(
    tmp_path: Path, registry: Registry, state: MemoryStore
) -> AsyncIterator[Open]:
    """A function that opens the store as a daemon at its start does; options as of ImageStore."""
    opened: list[Images] = []

    async def open_(
        *,
        conf: Path | None = None,
        policy: Path | None = None,
        boot: str = "",
        program: str = "skopeo",
        **options: object,
    ) -> Images:
        architecture = host_architecture()
        skopeo = Skopeo(
            program, registries_conf=conf or registry.conf, policy=policy, architecture=architecture
        )
        store = ImageStore(
            tmp_path / "root",
            tmp_path / "run",
            state,
            boot_id=boot or boot_id(),
            skopeo=skopeo,
            **options,  # type: ignore[arg-type]
        )
        images = Images(store, state)
        opened.append(images)
        await images.recover()
        return images

    yield open_
    for images in opened:
        await images.close()


@pytest.fixture
async def images(open_images: Open) -> Images:
    return await open_images()
