"""check and reset of an unprivileged user: nothing of the runtime is left, root is not needed."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri
from tests.fixtures.user import UserDaemon, user_daemon
from tests.fixtures.user_machine import Machine, machine


@pytest.fixture
def node() -> Iterator[Machine]:
    with machine() as made:
        yield made


@pytest.fixture
def daemon(node: Machine) -> Iterator[UserDaemon]:
    with user_daemon(node) as started:
        yield started


def cli(daemon: UserDaemon, *words: str) -> "subprocess.CompletedProcess[str]":
    command = daemon.machine.as_user(sys.executable, "-m", "cri_shim", *words)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


async def test_a_users_runtime_is_checked_and_removed_by_the_user(daemon: UserDaemon) -> None:
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        await cri.run(await cri.run_pod(), ["sleep", "1000"])
    daemon.stop()

    checked = cli(daemon, "check")
    done = cli(daemon, "reset", "--images", "--force")

    assert checked.returncode == 0, checked.stdout
    assert "subordinate ids" in checked.stdout
    assert done.returncode == 0, done.stderr
    assert not daemon.root.exists()
    assert not daemon.run_root.exists() or list(daemon.run_root.iterdir()) == []
    lines = daemon.machine.processes().values()
    assert [line for line in lines if "conmon" in line or "sleep 1000" in line] == []
