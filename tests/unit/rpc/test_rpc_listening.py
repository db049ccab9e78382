"""A request that ends grpcio's server: a new one starts at once, and other calls continue."""

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc import boundary
from cri_shim.rpc.client import Client
from cri_shim.rpc.listening import Listening
from tests.fixtures import http2

FATAL = http2.BEGIN + http2.call(b"Ver\xffsion", b"\0\0\0\0\0")


class Runtime:
    def __init__(self) -> None:
        self.events: asyncio.Queue[str] = asyncio.Queue()

    async def Version(self, request: api.VersionRequest) -> api.VersionResponse:
        return api.VersionResponse(version="0.1.0")

    async def GetContainerEvents(
        self, request: api.GetEventsRequest
    ) -> AsyncIterator[api.ContainerEventResponse]:
        while event := await self.events.get():
            yield api.ContainerEventResponse(container_id=event)


@asynccontextmanager
async def listening(path: Path, runtime: Runtime) -> AsyncIterator[None]:
    def make() -> grpc.aio.Server:
        server = grpc.aio.server(options=boundary.SERVER_OPTIONS)
        boundary.add(server, api.DESCRIPTOR.services_by_name["RuntimeService"], runtime)
        return server

    opened = Listening(path, make)
    await opened.open()
    try:
        yield
    finally:
        runtime.events.put_nowait("")
        await opened.close(5.0)
    assert not path.exists()


async def version(path: Path) -> str:
    """Return the version of the server on the socket; retry until there is one."""
    async with asyncio.timeout(10):
        while True:
            try:
                async with Client(path) as client:
                    return str((await client.runtime.Version(api.VersionRequest())).version)
            except Exception:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_path_that_is_not_utf_8_does_not_end_the_service(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, times: int
) -> None:
    path = tmp_path / "s"
    async with listening(path, Runtime()):
        for _ in range(times):
            await http2.say(path, FATAL, 0.5)
            assert await version(path) == "0.1.0"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    told = [r for r in caplog.records if r.name == "cri_shim.rpc.listening"]
    assert len(told) == times
    assert all("it is made again" in record.message for record in told)
    assert not any(record.exc_info and record.exc_info[0] for record in caplog.records)


async def test_running_calls_continue(tmp_path: Path) -> None:
    path, runtime = tmp_path / "s", Runtime()
    async with listening(path, runtime), Client(path) as client:
        stream = aiter(client.runtime.GetContainerEvents(api.GetEventsRequest()))
        runtime.events.put_nowait("before")
        assert (await anext(stream)).container_id == "before"
        await http2.say(path, FATAL, 0.5)
        assert await version(path) == "0.1.0"
        runtime.events.put_nowait("after")
        assert (await anext(stream)).container_id == "after"
        await stream.aclose()  # type: ignore[attr-defined]


async def test_a_listener_can_be_closed_while_it_restarts(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with listening(path, Runtime()):
        await http2.say(path, FATAL, 0.0)
    assert not path.exists()
