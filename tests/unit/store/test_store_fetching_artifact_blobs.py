"""Which blobs of an artifact are fetched, and where they go."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from cri_shim.errors import RegistryUnavailable, ToolFailed
from cri_shim.store import artifact
from cri_shim.store.artifact import Artifact
from cri_shim.store.blobs import Blobs
from cri_shim.store.fetching.artifact_blobs import ArtifactBlobs
from cri_shim.store.fetching.fetch import Transfer
from cri_shim.store.fetching.progress import DONE, LayerProgress
from cri_shim.store.layout import Layout
from cri_shim.store.manifest import digest_of
from tests.fixtures import artifacts
from tests.fixtures.artifacts import Layer


class Registry:
    """Stands in for the dialogue with a worker: it writes the blobs that it has."""

    def __init__(self, layout: Layout, *blobs: bytes) -> None:
        self._layout = layout
        self._blobs = {digest_of(blob): blob for blob in blobs}
        self.asked: list[str] = []
        self.cancelled: list[str] = []

    def fetch(self, layer: LayerProgress) -> Transfer:
        self.asked.append(layer.digest)
        return Transfer(layer)

    async def whole(self, transfer: Transfer) -> None:
        await asyncio.sleep(0)
        digest = transfer.layer.digest
        if digest not in self._blobs:
            raise RegistryUnavailable("as ordered")
        self._layout.blob(digest).write_bytes(self._blobs[digest])

    def cancel(self, digest: str) -> None:
        self.cancelled.append(digest)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    found = Blobs(tmp_path / "blobs")
    found.recover()
    return found


def layout_of(tmp_path: Path, blobs: Blobs) -> Layout:
    made = Layout(tmp_path / "layouts")
    made.create({}, blobs)
    return made


def described(*layers: Layer) -> Artifact:
    made = artifacts.Artifact(*layers)
    found = artifact.content(made.manifest, made.config_bytes)
    assert isinstance(found, Artifact)
    return found


async def test_only_what_is_missing_is_fetched_and_then_kept(tmp_path: Path, blobs: Blobs) -> None:
    blobs.path(digest_of(b"here")).write_bytes(b"here")
    layout = layout_of(tmp_path, blobs)
    registry = Registry(layout, b"new")
    seen = [LayerProgress(digest_of(data), len(data)) for data in (b"here", b"new")]
    found = described(Layer(b"here", "a"), Layer(b"new", "b"), Layer(b"new", "c"))

    await ArtifactBlobs(blobs).have(found, layout, cast(Any, registry), seen)

    assert registry.asked == [digest_of(b"new")]
    assert blobs.path(digest_of(b"new")).read_bytes() == b"new"
    assert list(layout.blobs.iterdir()) == []
    assert [(layer.state, layer.done) for layer in seen] == [(DONE, 4), (DONE, 3)]


async def test_two_artifacts_at_once_fetch_a_blob_once(tmp_path: Path, blobs: Blobs) -> None:
    work, asked = ArtifactBlobs(blobs), []

    async def pull(name: str) -> None:
        layout = layout_of(tmp_path, blobs)
        registry = Registry(layout, b"shared")
        await work.have(described(Layer(b"shared", name)), layout, cast(Any, registry))
        asked.extend(registry.asked)

    await asyncio.gather(pull("a"), pull("b"))

    assert asked == [digest_of(b"shared")]


async def test_the_first_failure_ends_all_transfers(tmp_path: Path, blobs: Blobs) -> None:
    layout = layout_of(tmp_path, blobs)
    registry = Registry(layout, b"whole")
    found = described(Layer(b"whole", "a"), Layer(b"none", "b"))

    with pytest.raises(RegistryUnavailable, match="as ordered"):
        await ArtifactBlobs(blobs).have(found, layout, cast(Any, registry))

    assert digest_of(b"none") in registry.cancelled


@pytest.mark.parametrize("came", [None, b"shor"])
async def test_a_blob_that_is_not_in_the_layout_is_named(
    tmp_path: Path, blobs: Blobs, came: bytes | None
) -> None:
    layout = layout_of(tmp_path, blobs)
    if came is not None:
        layout.blob(digest_of(b"short")).write_bytes(came)

    with pytest.raises(ToolFailed, match=f"{digest_of(b'short')} of 5 bytes did not come"):
        await ArtifactBlobs(blobs).have(described(Layer(b"short", "a")), layout)
