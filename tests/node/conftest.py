"""A node as users have it: systemd is process 1, and control groups are version 2. `hack/vm test`
runs these in such a machine; anywhere else they are skipped.
"""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.systemd import Slice, is_running

HAS_SYSTEMD = is_running() and Path("/sys/fs/cgroup/cgroup.procs").exists()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not HAS_SYSTEMD and "/tests/node/" in str(item.path):
            item.add_marker(pytest.mark.skip(reason="needs systemd and control groups v2"))


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with private_daemon() as started:
        yield started


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        await calls.remove_all()


@pytest.fixture(params=["crun", "runc"])
def handler(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def slices() -> Iterator[Slice]:
    """The slice of a burstable pod, as the kubelet makes it; gone at the end."""
    made = Slice(f"cst{secrets.token_hex(3)}-burstable-pod1.slice")
    made.start()
    yield made
    made.stop()
