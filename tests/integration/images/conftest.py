"""A registry for the whole session, and an image store on a fresh root for each test."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from cri_shim.engine import Engine
from cri_shim.linux.boot import boot_id
from cri_shim.state.memory import MemoryStore
from cri_shim.store.archives.skopeo import Skopeo
from cri_shim.store.fetching.fetcher import Fetcher
from cri_shim.store.image_store import ImageStore
from cri_shim.store.manifest import host_architecture
from cri_shim.store.trust.policies import Policies
from tests.fixtures.image_engine import close, engine_of, recover
from tests.fixtures.images import Registry

Open = Callable[..., Awaitable[Engine]]


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
    opened: list[Engine] = []

    async def open_(
        *,
        conf: Path | None = None,
        policy: Path | None = None,
        namespaces: Path | None = None,
        env: Mapping[str, str] | None = None,
        boot: str = "",
        program: str = "skopeo",
        **options: object,
    ) -> Engine:
        architecture = host_architecture()
        policies = Policies(policy, namespaces)
        skopeo = Skopeo(
            program,
            registries_conf=conf or registry.conf,
            architecture=architecture,
            env=env,
        )
        options.setdefault("grace", 0.0)
        options.setdefault(
            "fetcher",
            Fetcher(registries_conf=conf or registry.conf, architecture=architecture),
        )
        store = ImageStore(
            tmp_path / "root",
            tmp_path / "run",
            state,
            boot_id=boot or boot_id(),
            skopeo=skopeo,
            policies=policies,
            **options,  # type: ignore[arg-type]
        )
        engine = engine_of(store)
        opened.append(engine)
        await recover(engine, state)
        return engine

    yield open_
    for engine in opened:
        await close(engine)


@pytest.fixture
async def engine(open_images: Open) -> Engine:
    return await open_images()
