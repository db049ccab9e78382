"""A registry that misbehaves, and an image in it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fixtures.images import Image, Tar
from tests.fixtures.odd_registry import OddRegistry, digest_of
from tests.fixtures.registry_worker import Worker


@dataclass(frozen=True)
class Served:
    """An image with one layer in a registry that misbehaves."""

    image: Image
    name: str

    @property
    def blob(self) -> bytes:
        return self.image.blobs[0]

    @property
    def digest(self) -> str:
        return digest_of(self.blob)

    def fetch(self, worker: Worker) -> None:
        """Await the image, and order its layer."""
        worker.expect("image")
        worker.fetch(self.digest, len(self.blob))

    def is_here(self, worker: Worker) -> bool:
        """Await the layer; tell whether it is whole, and the only file."""
        worker.expect("whole", self.digest)
        return worker.file(self.digest) == self.blob and len(worker.names()) == 1


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[OddRegistry]:
    with OddRegistry(tmp_path) as registry:
        yield registry


@pytest.fixture
def served(odd: OddRegistry) -> Served:
    return serve(odd)


def serve(registry: OddRegistry, size: int = 3_000_000, name: str = "") -> Served:
    image = Image([Tar().file("f", os.urandom(size))], compression=("none",))
    blobs = [image.config_bytes, *image.blobs]
    return Served(image, registry.serve(image.manifest, blobs, name=name))
