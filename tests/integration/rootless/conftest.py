"""A machine with an unprivileged user, and that user's daemon, for each test file."""

from collections.abc import AsyncIterator, Iterator

import pytest

from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri
from tests.fixtures.user import UserDaemon, user_daemon
from tests.fixtures.user_machine import Machine, machine


@pytest.fixture(scope="module")
def node() -> Iterator[Machine]:
    with machine() as made:
        yield made
        assert made.remaining() == {}


@pytest.fixture(scope="module")
def daemon(node: Machine) -> Iterator[UserDaemon]:
    with user_daemon(node) as started:
        yield started


@pytest.fixture
async def cri(daemon: UserDaemon) -> AsyncIterator[Cri]:
    """CRI calls to the user's daemon; afterwards every pod is removed and must leave nothing."""
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        await calls.remove_all()
        assert daemon.traces() == []
