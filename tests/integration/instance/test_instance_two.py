"""Two daemons on one machine share nothing."""

import asyncio
from collections.abc import Iterator

import pytest

from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.daemon import Daemon, private_daemon


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Daemon, Daemon]]:
    with private_daemon(2) as one, private_daemon(3) as two:
        yield one, two


async def test_two_instances_have_separate_pods(pair: tuple[Daemon, Daemon]) -> None:
    async with Client(pair[0].socket) as first, Client(pair[1].socket) as second:
        one, two = Cri(pair[0], first), Cri(pair[1], second)
        here, there = await asyncio.gather(one.run_pod(), two.run_pod())
        config = pod_config(pair[0])
        same = await asyncio.gather(one.run_pod(config), two.run_pod(config))
        assert set(await one.pods()) == {here, same[0]}
        assert set(await two.pods()) == {there, same[1]}
        await one.remove_all()
        container = await two.run(there, ["sleep", "60"])
        assert await two.sh(container, "echo alive") == "alive\n"
        await two.remove_all()
    assert pair[0].traces() == pair[1].traces() == []


def test_a_second_daemon_on_the_same_directories_is_refused(pair: tuple[Daemon, Daemon]) -> None:
    second = Daemon(pair[0].directory, 2)
    second.log = pair[0].directory / "second.log"
    second.socket = pair[0].directory / "second.sock"
    with pytest.raises(AssertionError, match="is in use by another cri-shim"):
        second.start()
    second.wait_dead()
