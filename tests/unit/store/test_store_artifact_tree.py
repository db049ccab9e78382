"""The files of an artifact as a layer: other names of its blobs, beside what is unpacked."""

import os
import stat
from pathlib import Path
from typing import Any, cast

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.linux.remove import remove_tree
from cri_shim.pb.state_pb2 import LayerRecord
from cri_shim.store import artifact
from cri_shim.store.artifact import Artifact
from cri_shim.store.artifact_tree import ArtifactTrees
from cri_shim.store.blobs import Blobs
from cri_shim.store.manifest import digest_of
from tests.fixtures import artifacts
from tests.fixtures.artifacts import TAR_DIGEST, Layer, archive

UNPACKED = "sha256:" + "a" * 64


class Layers:
    """Stands in for the store of layers; an archive unpacks to one file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.asked: list[str] = []
        self.added: list[tuple[Path, LayerRecord]] = []

    def is_here(self, diff_id: str) -> bool:
        return any(record.diff_id == diff_id for _, record in self.added)

    def layer(self, diff_id: str) -> object | None:
        return self if self.is_here(diff_id) else None

    def new(self) -> Path:
        made = self._directory / f"new{len(self.added)}"
        made.mkdir()
        return made

    async def drop(self, temporary: Path) -> None:
        remove_tree(temporary)

    async def unpack_archive(self, blob: Path, target: Path, name: str) -> str:
        self.asked.append(name)
        (target / "unpacked").write_bytes(blob.read_bytes() * 1000)
        return UNPACKED

    async def add(self, temporary: Path, record: LayerRecord) -> None:
        self.added.append((temporary, record))


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    return Layers(tmp_path)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    found = Blobs(tmp_path / "blobs")
    found.recover()
    return found


def trees(layers: Layers, blobs: Blobs) -> ArtifactTrees:
    fake = cast(Any, layers)
    return ArtifactTrees(fake, fake, fake, blobs)


def made(blobs: Blobs, *parts: Layer) -> Artifact:
    """Return an artifact whose blobs are here."""
    described = artifacts.Artifact(*parts)
    for blob in described.blobs:
        blobs.path(digest_of(blob)).write_bytes(blob)
    found = artifact.content(described.manifest, described.config_bytes)
    assert isinstance(found, Artifact)
    return found


async def test_a_file_is_another_name_of_its_blob(layers: Layers, blobs: Blobs) -> None:
    found = made(blobs, Layer(b"1" * 100_000, "a/b/c"), Layer(b"1" * 100_000, "d"))
    before = os.umask(0o077)
    try:
        await trees(layers, blobs).have(found)
    finally:
        os.umask(before)

    ((tree, record),) = layers.added
    assert (tree / "a/b/c").samefile(blobs.path(found.layers[0].digest))
    assert (tree / "d").samefile(tree / "a/b/c")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tree / "a/b/c", tree / "a/b")}
    assert modes == {"c": 0o644, "b": 0o755}
    assert record.diff_id == found.tree
    assert record.inodes == 3  # the directories
    assert record.size < 100_000
    assert list(record.kept_blobs) == [*found.described, found.layers[0].digest]


async def test_what_is_unpacked_counts_for_the_tree(layers: Layers, blobs: Blobs) -> None:
    found = made(blobs, archive(b"1" * 100, "d/e"), Layer(b"2", "d/f"))

    await trees(layers, blobs).have(found)

    ((tree, record),) = layers.added
    assert layers.asked == ["d/e"]
    assert (tree / "d/f").read_bytes() == b"2"
    assert record.size >= 100_000


async def test_a_tree_is_made_once(layers: Layers, blobs: Blobs) -> None:
    found = made(blobs, Layer(b"1", "a"))
    both = trees(layers, blobs)

    await both.have(found)
    await both.have(found)

    assert len(layers.added) == 1


@pytest.mark.parametrize(
    "bad", [archive(b"1", "d", **{TAR_DIGEST: digest_of(b"2")}), Layer(b"gone", "x")]
)
async def test_a_tree_that_cannot_be_made_is_dropped(
    layers: Layers, blobs: Blobs, tmp_path: Path, bad: Layer
) -> None:
    found = made(blobs, Layer(b"1", "a"), bad)
    blobs.path(digest_of(b"gone")).unlink(missing_ok=True)

    with pytest.raises((ToolFailed, FileNotFoundError)):
        await trees(layers, blobs).have(found)

    assert layers.added == []
    assert not (tmp_path / "new0").exists()
