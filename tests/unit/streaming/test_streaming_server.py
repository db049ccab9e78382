"""The server alone: its address, the connections it drops, and its end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast
from urllib.parse import urlsplit

import pytest

from cri_shim.engine import Engine
from cri_shim.errors import ConfigError
from cri_shim.pb import api_pb2 as api
from cri_shim.streaming import server as module
from cri_shim.streaming.server import StreamingConfig, StreamingServer

UPGRADE = (
    b"POST %s HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n"
)


@asynccontextmanager
async def serving(address: str = "127.0.0.1", port: int = 0) -> AsyncIterator[StreamingServer]:
    """A server without an engine: these tests never use a container."""
    nobody = cast(Engine, None)
    async with StreamingServer(nobody, StreamingConfig(address, port, 1000.0, 1000, 100)) as server:
        yield server


async def dial(server: StreamingServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = server.base_url.removeprefix("http://").rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


@pytest.mark.parametrize(
    ("address", "host"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("::1", "[::1]")]
)
async def test_the_server_listens_on_the_configured_address(address: str, host: str) -> None:
    async with serving(address) as server:
        assert server.base_url.startswith(f"http://{host}:")
        _, writer = await dial(server)
        writer.close()


async def test_a_port_that_is_taken_is_an_error_of_the_configuration() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1 port {port}: "):
            async with serving(port=port):
                pass


async def test_above_the_bound_the_oldest_connection_without_a_session_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_WITHOUT_SESSION", 3)
    async with serving() as server:
        clients = [await dial(server) for _ in range(4)]
        async with asyncio.timeout(5):
            assert await clients[0][0].read() == b""
        for _, writer in clients[1:]:
            writer.write(UPGRADE % b"/exec/none")
        answers = [await reader.read() for reader, _ in clients[1:]]
        for _, writer in clients:
            writer.close()
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 404"] * 3


async def test_a_ticket_used_by_many_clients_at_once_serves_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[Silent] = []

    def open(*asked: object) -> Silent:
        opened.append(Silent())
        return opened[-1]

    monkeypatch.setattr(StreamingServer, "_open", open)
    async with serving() as server:
        url = issue(server)
        clients = [await dial(server) for _ in range(10)]
        for _, writer in clients:
            writer.write(UPGRADE % url.encode())
        heads = [await reader.readuntil(b"\r\n\r\n") for reader, _ in clients]
        for _, writer in clients:
            writer.close()
    assert sorted(head[9:12] for head in heads) == [b"101"] + [b"404"] * 9
    assert len(opened) == 1


def issue(server: StreamingServer) -> str:
    """The path of a ticket for an exec."""
    url = server._issue(api.ExecRequest(container_id="x", stdout=True), "x", "pod")
    return urlsplit(url).path


class Silent:
    """A session that ignores every call, also the one to end."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


async def test_a_session_that_does_not_end_is_aborted_at_shutdown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "DRAIN_S", 0.05)
    monkeypatch.setattr(StreamingServer, "_open", lambda *asked: Silent())
    async with asyncio.timeout(5):
        async with serving() as server:
            reader, writer = await dial(server)
            writer.write(UPGRADE % issue(server).encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


async def test_a_wrong_ticket_and_a_used_ticket_get_the_same_answer() -> None:
    async with serving() as server:
        used = issue(server)
        paths = [used, used, "/exec/", "/exec/AAAAAAAAAAAAAAAAAAAAAAAA", "/attach/x", "/", "/exec"]
        answers = [await answer_to(server, path) for path in paths]
    assert answers[0].startswith(b"HTTP/1.1 405 ")
    assert set(answers[1:]) == {answers[1]}
    assert answers[1].startswith(b"HTTP/1.1 404 ")


async def answer_to(server: StreamingServer, path: str) -> bytes:
    reader, writer = await dial(server)
    writer.write(f"DELETE {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer
