"""Observers and the end of the daemon."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A daemon for this test alone, which stops it."""
    with private_daemon() as started:
        yield started


async def _drained(call: Any) -> None:
    async for _ in call:
        pass


async def test_a_stop_ends_the_stream_of_events_and_does_not_wait_for_it(cri: Cri) -> None:
    following = asyncio.create_task(
        _drained(cri.runtime.GetContainerEvents(api.GetEventsRequest()))
    )
    pod = await cri.run_pod()
    await cri.remove_pod(pod)
    begin = time.monotonic()
    await asyncio.to_thread(cri.daemon.stop)
    took = time.monotonic() - begin
    cri.daemon.start()
    await following
    assert took < 5  # the grace for calls in hand is 10 s
