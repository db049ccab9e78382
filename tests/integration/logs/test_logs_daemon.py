"""The log of a real daemon as JSON, and its native events in a journal."""

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.daemon import Daemon, Setting, private_daemon


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    settings: dict[str, Setting] = {"server.log_format": "json"}
    with private_daemon(0, **settings) as started:
        yield started


def events(daemon: Daemon) -> list[dict[str, Any]]:
    return [json.loads(line) for line in daemon.log.read_text().splitlines()]


async def test_every_line_is_an_object_with_its_request(cri: Cri) -> None:
    await cri.load_busybox()
    pod = await cri.run_pod()
    container = await cri.create(pod, container_config(["sleep", "1000"]))
    await cri.runtime.StartContainer(api.StartContainerRequest(container_id=container))
    found = events(cri.daemon)

    (end,) = [e for e in found if e["message"].startswith("call StartContainer ")]
    same = [e for e in found if e.get("request") == end["request"]]
    assert len(same) > 3
    of_runtime = next(e for e in same if "crun start" in e["message"])
    assert (of_runtime["namespace"], of_runtime["container"]) == ("test", "main")
    assert (of_runtime["podId"], of_runtime["containerId"]) == (pod, container)
    assert of_runtime["level"] == "debug"
    assert (end["container"], end["containerId"]) == ("main", container)


async def test_two_calls_have_different_ids(cri: Cri) -> None:
    for _ in range(2):
        await cri.runtime.Version(api.VersionRequest())
    ids = [e["request"] for e in events(cri.daemon) if e["message"].startswith("call Version ")]

    assert len({*ids}) == len(ids)


class Piped(Daemon):
    """A daemon whose stderr is a pipe that nothing reads."""

    def start(self) -> None:
        self._read_end, write_end = os.pipe()
        self.wrapper = ["/bin/sh", "-c", f'exec "$@" 2>/proc/{os.getpid()}/fd/{write_end}', "sh"]
        super().start()
        os.close(write_end)

    def close(self) -> None:
        os.close(self._read_end)


async def ask(daemon: Daemon, times: int) -> None:
    async with Client(daemon.socket) as client:
        for _ in range(times):
            await client.runtime.Version(api.VersionRequest(), timeout=10)


def test_a_reader_that_stops_does_not_stop_the_daemon() -> None:
    with tempfile.TemporaryDirectory(prefix="cst", dir="/tmp") as directory:
        piped = Piped(Path(directory), 1)
        try:
            piped.start()
            asyncio.run(ask(piped, 2000))  # a pipe has room for some 600 lines
        finally:
            piped.end()
            piped.close()
