"""Tests on nodes that kind or kubeadm made; `hack/kind` runs them where docker reaches those."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.clusterlib.place import Place
from tests.cluster.kubectl import Namespace, own_namespace
from tests.fixtures.images import busybox_image
from tests.kind.nodes import run

BUSYBOX = "localhost/busybox:1"


@pytest.fixture(scope="session")
def place() -> Place:
    """The directory of the private dockerd."""
    if "CRI_SHIM_KIND" not in os.environ:
        pytest.skip("needs a cluster: hack/kind test")
    return Place(Path(os.environ["CRI_SHIM_KIND"]), Path())


@pytest.fixture(scope="session")
def archive(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of an image that runs shell scripts, as `docker save` writes it."""
    file = tmp_path_factory.mktemp("image") / "busybox.tar"
    return busybox_image().write_docker_archive(file, [BUSYBOX])


@pytest.fixture(scope="session")
def image(archive: Path) -> str:
    """The name of that image, which is on every node of the kind cluster."""
    run("docker", "load", "-i", str(archive))
    run("kind", "load", "docker-image", BUSYBOX)
    return BUSYBOX


@pytest.fixture
def ns(place: Place, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A Kubernetes namespace of the test's own; everything in it is gone at the end."""
    with own_namespace(place, request.node.name) as namespace:
        yield namespace
