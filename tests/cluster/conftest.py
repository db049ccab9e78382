"""Tests on a real Kubernetes node, by kubectl; `hack/cluster test` runs them inside the cluster."""

import os
from collections.abc import Iterator

import pytest

from hack.clusterlib.place import Place
from tests.cluster.kubectl import Namespace, await_deleted, own_namespace


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """The running cluster's directory and programs; no test's pods are left in it at the end."""
    if "CRI_SHIM_CLUSTER" not in os.environ:
        pytest.skip("needs a cluster: hack/cluster test")
    yield Place.of_environment()
    await_deleted()


@pytest.fixture
def ns(place: Place, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A Kubernetes namespace of the test's own, deleted with everything in it at the end."""
    with own_namespace(place, request.node.name) as namespace:
        yield namespace
