"""A daemon for each test file, its pods taken away after each test."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon


@contextlib.contextmanager
def private_daemon(number: int = 0, **settings: str) -> Iterator[Daemon]:
    """A started daemon with the test image, under a short path; all it made is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="cst", dir="/tmp") as directory:
        daemon = Daemon(Path(directory), number, **settings)
        try:
            daemon.start()
            asyncio.run(_load(daemon))
            yield daemon
        finally:
            daemon.end()


async def _load(daemon: Daemon) -> None:
    async with Client(daemon.socket) as client:
        await Cri(daemon, client).load_busybox()


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with private_daemon() as started:
        yield started


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    """CRI calls to the file's daemon; afterwards every pod is removed and must leave nothing."""
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        await calls.remove_all()
        assert daemon.traces() == []


@pytest.fixture(params=["crun", "runc"])
def handler(request: pytest.FixtureRequest) -> str:
    """Each OCI runtime in turn."""
    return str(request.param)
