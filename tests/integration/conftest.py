"""A daemon for each test file; its pods are removed after each test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon


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
