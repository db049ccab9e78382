"""A place for runtimes that a test opens itself, and one that is open, with an image and a pod."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from cri_shim import Runtime
from cri_shim.library.container import Container
from cri_shim.library.pod import Pod
from tests.fixtures import busybox
from tests.fixtures.library import Place, place


@pytest.fixture
def here() -> Iterator[Place]:
    with place() as made:
        yield made


async def load_busybox(runtime: Runtime, here: Place) -> None:
    archive = busybox.archive(here.directory / "busybox.tar")
    await runtime.load_image(f"docker-archive:{archive}")


@pytest.fixture
async def opened(here: Place) -> AsyncIterator[Runtime]:
    """With busybox; its pods are removed afterwards."""
    async with here.runtime() as runtime:
        await load_busybox(runtime, here)
        yield runtime
        for pod in runtime.pods():
            await pod.remove(force=True)


@pytest.fixture
async def pod(opened: Runtime, here: Place) -> Pod:
    """Its containers keep logs."""
    return await opened.create_pod(name="web", log_directory=here.directory / "logs")


async def running(pod: Pod, script: str = "sleep 600", **words: Any) -> Container:
    """A container that runs a shell script."""
    container = await pod.create_container(busybox.NAME, ["sh", "-c", script], **words)
    await container.start()
    return container
