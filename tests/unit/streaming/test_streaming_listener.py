"""Clients during the TLS handshake: handshakes that are late, malformed, or too many."""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import pytest

from cri_shim.engine import Engine
from cri_shim.streaming import listener as module
from cri_shim.streaming import server as servers
from cri_shim.streaming.certificate import Certificate
from cri_shim.streaming.listener import Listener
from cri_shim.streaming.server import StreamingConfig, StreamingServer
from tests.fixtures.tls import make_certificate

REQUEST = b"GET /exec/none HTTP/1.1\r\nHost: h\r\n\r\n"
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certificate]:
    directory: Path = tmp_path_factory.mktemp("tls")
    make_certificate(directory, "test")
    yield Certificate(directory / "cert.pem", directory / "key.pem")


@asynccontextmanager
async def serving(certificate: Certificate | None) -> AsyncIterator[StreamingServer]:
    """A server without an engine: these tests never use a container."""
    config = StreamingConfig("127.0.0.1", 0, 1000.0, 1000, 100, certificate)
    async with StreamingServer(cast(Engine, None), config) as server:
        yield server


@pytest.fixture
async def server(certificate: Certificate) -> AsyncIterator[StreamingServer]:
    async with serving(certificate) as server:
        yield server


async def dial(server: StreamingServer, context: ssl.SSLContext | None = None) -> Pair:
    port = int(server.base_url.rpartition(":")[2])
    return await asyncio.open_connection("127.0.0.1", port, ssl=context)


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def hello() -> bytes:
    """Return the first bytes of a TLS client."""
    sent = ssl.MemoryBIO()
    client = trusting().wrap_bio(ssl.MemoryBIO(), sent)
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


HALVES = {
    "nothing": b"",
    "half a ClientHello": hello()[:100],
    "a whole ClientHello and no more": hello(),
    "a record of the largest length": b"\x16\x03\x01\xff\xff" + bytes(200),
}
GARBAGE = {
    "HTTP": REQUEST,
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "zeros": bytes(5000),
    "a ClientHello and garbage": hello() + b"\xff" * 5000,
    "the end": b"",
}


async def answered(server: StreamingServer) -> bytes:
    """Return the status line that a good client gets."""
    reader, writer = await dial(server, trusting())
    writer.write(REQUEST)
    async with asyncio.timeout(5):
        answer = await reader.readline()
    writer.transport.abort()
    await asyncio.sleep(0)
    return answer.rstrip()


async def gone(reader: asyncio.StreamReader) -> None:
    """Return when the server has closed the connection."""
    async with asyncio.timeout(5):
        with suppress(ConnectionError):
            await reader.read()


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES)
async def test_unfinished_handshakes_do_not_keep_other_clients_out(
    server: StreamingServer, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ARRIVING", 4)
    monkeypatch.setattr(servers, "MAX_WITHOUT_SESSION", 4)
    clients = [await dial(server) for _ in range(20)]
    for _, writer in clients:
        with suppress(ConnectionError):
            writer.write(sent)
            await writer.drain()
    assert await answered(server) == b"HTTP/1.1 404"
    for reader, _ in clients[:10]:
        await gone(reader)
    for _, writer in clients:
        writer.close()


@pytest.mark.parametrize("sent", GARBAGE.values(), ids=GARBAGE)
async def test_a_client_without_a_handshake_is_dropped(
    server: StreamingServer, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ARRIVING", 4)
    monkeypatch.setattr(servers, "MAX_WITHOUT_SESSION", 4)
    for _ in range(20):
        reader, writer = await dial(server)
        writer.write(sent)
        with suppress(OSError):
            writer.write_eof()
        await gone(reader)
        writer.close()
    assert await answered(server) == b"HTTP/1.1 404"


async def test_a_handshake_has_a_limit_of_time(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HANDSHAKE_S", 0.05)
    async with serving(certificate) as server:
        reader, writer = await dial(server)
        await gone(reader)
        writer.close()


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES)
async def test_the_end_of_the_server_during_a_handshake_is_quiet(
    certificate: Certificate, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(5):
        async with serving(certificate) as server:
            clients = [await dial(server) for _ in range(3)]
            for _, writer in clients:
                writer.write(sent)
            await asyncio.sleep(0.05)
        for reader, writer in clients:
            await gone(reader)
            writer.close()
    assert caplog.records == []


async def test_the_end_of_the_server_before_a_client_has_begun_is_quiet(
    certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(5):
        async with serving(certificate) as server:
            clients = [await dial(server) for _ in range(3)]
        for reader, writer in clients:
            await gone(reader)
            writer.close()
    assert caplog.records == []


async def test_many_clients_at_once_do_not_exceed_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(servers, "MAX_WITHOUT_SESSION", 4)
    async with serving(None) as server, AsyncExitStack() as closing:
        clients = await asyncio.gather(*(dial(server) for _ in range(64)))
        for _, writer in clients:
            closing.callback(writer.close)
        for reader, _ in clients[:60]:
            await gone(reader)
        clients[-1][1].write(REQUEST)
        assert (await clients[-1][0].readline()).startswith(b"HTTP/1.1 404")


async def test_accepting_resumes_after_descriptors_ran_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    real, failures = socket.socket.accept, [errno.EMFILE, errno.ECONNABORTED]

    def accept(self: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise OSError(failures.pop(0), "none left")
        return real(self)

    monkeypatch.setattr(socket.socket, "accept", accept)
    with caplog.at_level(logging.WARNING):
        async with serving(None) as server:
            reader, writer = await dial(server)
            writer.write(REQUEST)
            async with asyncio.timeout(5):
                assert (await reader.readline()).startswith(b"HTTP/1.1 404")
            writer.close()
    assert [record.message for record in caplog.records] == [
        "cannot accept streaming clients: none left; trying again in 0.05 s"
    ]


async def test_a_listener_that_was_never_used_can_be_closed() -> None:
    await Listener(asyncio.Protocol, None).close()
