"""The daemon waits for slow registries, and gives up stuck ones with an error message."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cri_shim.errors import TimedOut, ToolFailed
from cri_shim.pb import api_pb2 as api
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.daemon import Daemon
from tests.fixtures.images import Image, Registry, Tar
from tests.fixtures.relay import Relay

pytestmark = pytest.mark.waits

PATIENCE_S = 1.5
PIECES = 16
NAME = "slow:1"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({"image.pull_progress_timeout": PATIENCE_S}, with_own_registries) as started:
        yield started


def conf(daemon: Daemon) -> Path:
    return daemon.directory / "registries.conf"


def with_own_registries(daemon: Daemon) -> None:
    conf(daemon).touch()
    daemon.settings["image.registries_conf"] = str(conf(daemon))


@pytest.fixture
async def relay(rig: Rig, registry: Registry) -> AsyncIterator[Relay]:
    """A relay in front of a registry with an image of some size."""
    registry.push(Image([Tar().file("big", os.urandom(PIECES * Relay.PIECE))]), NAME)
    async with Relay(registry.port) as relay:
        lines = f'[[registry]]\nlocation = "127.0.0.1:{relay.port}"\ninsecure = true\n'
        conf(rig.daemon).write_text(lines)
        yield relay


async def pull(rig: Rig, relay: Relay, timeout: float | None = None) -> str:
    spec = api.ImageSpec(image=f"127.0.0.1:{relay.port}/{NAME}")
    request = api.PullImageRequest(image=spec)
    return str((await rig.cri.image.PullImage(request, timeout=timeout)).image_ref)


async def remove(rig: Rig, relay: Relay) -> None:
    spec = api.ImageSpec(image=f"127.0.0.1:{relay.port}/{NAME}")
    await rig.cri.image.RemoveImage(api.RemoveImageRequest(image=spec))


async def test_a_registry_that_is_slow_is_waited_for(rig: Rig, relay: Relay) -> None:
    relay.pace = 2 * PATIENCE_S / PIECES
    assert await pull(rig, relay)
    await remove(rig, relay)


async def test_a_stuck_registry_times_out_and_is_tried_again(rig: Rig, relay: Relay) -> None:
    before = await rig.settled()
    relay.open.clear()
    with pytest.raises(ToolFailed, match=r"RegistryUnavailable: .*no byte came"):
        await pull(rig, relay)
    await rig.becomes(before)
    relay.open.set()
    assert await pull(rig, relay)
    await remove(rig, relay)


async def test_a_stuck_pull_ends_with_its_caller_and_delays_no_other(
    rig: Rig, relay: Relay
) -> None:
    before = await rig.settled()
    relay.open.clear()
    with pytest.raises(TimedOut):
        await pull(rig, relay, timeout=PATIENCE_S / 4)
    await rig.becomes(before)
    relay.open.set()
    assert await pull(rig, relay)
    await remove(rig, relay)
