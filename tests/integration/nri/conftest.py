"""A daemon with NRI for each test file, and plugins in this process."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.daemon import Daemon, Setting, private_daemon
from tests.fixtures.nri_plugin import EVENTS, FakePlugin

Connect = Callable[..., AbstractAsyncContextManager[FakePlugin]]


def settings(place: Path, **others: Setting) -> dict[str, Setting]:
    """Return the configuration of a daemon whose NRI is in a directory."""
    return {
        "nri.enabled": True,
        "nri.socket": str(place / "nri.sock"),
        "nri.plugin_directory": str(place / "plugins"),
        "nri.plugin_config_directory": str(place / "conf"),
        **others,
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nri")


@pytest.fixture(scope="module")
def daemon(place: Path) -> Iterator[Daemon]:
    with private_daemon(0, **settings(place)) as started:
        yield started


@pytest.fixture
def connect(place: Path, daemon: Daemon) -> Connect:
    """Connect a plugin with these answers to the daemon, until the block is left."""

    @contextlib.asynccontextmanager
    async def connected(index: str = "10", **answers: Any) -> AsyncIterator[FakePlugin]:
        validates = "ValidateContainerAdjustment" in answers
        plugin = FakePlugin(index, events=0 if validates else EVENTS)
        plugin.answers |= answers
        async with plugin.connected(place / "nri.sock"):
            yield plugin

    return connected
