"""Our own specs of critest's subjects: a test is named after the spec that it replaces, and
specs.tsv lists them all, with those that other tests cover.

A daemon for each test file; its pods are removed after each test; each handler in turn. Its images
come from a registry on this machine, under two public names.
"""

from collections.abc import Iterator

import pytest

from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.images import Registry
from tests.integration.conftest import cri, handler

__all__ = ["cri", "handler"]

HOSTS = ("one.example", "two.example")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry") / "own") as running:
        running.conf.write_text(
            "".join(
                f'[[registry]]\nprefix = "{host}"\nlocation = "{running.host}"\ninsecure = true\n'
                for host in HOSTS
            )
        )
        yield running


@pytest.fixture(scope="module")
def daemon(registry: Registry) -> Iterator[Daemon]:
    with private_daemon(0, **{"image.registries_conf": str(registry.conf)}) as started:
        yield started
