"""Clients of the streaming server that never send a whole request, such as port scanners."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.streams import dial
from tests.fixtures.tls import make_certificate

SCANS = 300  # above every bound of connections without a session
LIMIT_S = 20.0


def hello() -> bytes:
    """The first bytes of a TLS client."""
    sent = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent).do_handshake()
    return sent.read()


HALVES = {
    "nothing": b"",
    "garbage": b"\xff" * 300,
    "half a ClientHello": hello()[:100],
    "half a request": b"GET /exec/none HTTP/1.1\r\nHost: h\r\n",
    "half an upgrade": b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r",
}


def settings(transport: str, directory: Path) -> dict[str, str]:
    if transport == "plain":
        return {}
    make_certificate(directory, "test")
    return {
        "streaming.tls_cert_file": str(directory / "cert.pem"),
        "streaming.tls_key_file": str(directory / "key.pem"),
    }


@pytest.fixture(scope="module", params=["plain", "TLS"])
def daemon(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    with private_daemon(7, **settings(request.param, tmp_path_factory.mktemp("tls"))) as started:
        yield started


@pytest.fixture(params=["plain", "TLS"])
def alone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon of one test, which ends it."""
    with private_daemon(6, **settings(request.param, tmp_path)) as started:
        yield started


@pytest.fixture
async def scanners() -> AsyncIterator[list[socket.socket]]:
    opened: list[socket.socket] = []
    yield opened
    for sock in opened:
        sock.close()


async def scan(url: str, sent: bytes, scanners: list[socket.socket], count: int = SCANS) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(count):
        scanners.append(await dial(url))
        with suppress(ConnectionError):
            await loop.sock_sendall(scanners[-1], sent)


async def asked(cri: Cri, container: str) -> str:
    request = api.ExecRequest(container_id=container, cmd=["true"], stdout=True, stderr=True)
    return str((await cri.runtime.Exec(request)).url)


async def status(url: str) -> str:
    """The status that a good client's upgrade is answered with."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port, ssl=context if parts.scheme == "https" else None
    )
    head = f"POST {parts.path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    writer.write(f"{head}X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n".encode())
    async with asyncio.timeout(LIMIT_S):
        line = await reader.readline()
    writer.transport.abort()
    await asyncio.sleep(0)
    return line.decode().split(" ")[1]


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES)
async def test_scanners_do_not_block_other_clients(
    cri: Cri, scanners: list[socket.socket], sent: bytes
) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "1000"])
    url = await asked(cri, container)
    await scan(url, sent, scanners)
    assert await status(url) == "101"
    assert await status(await asked(cri, container)) == "101"


async def test_the_daemon_ends_cleanly_with_scanners_connected(
    alone: Daemon, scanners: list[socket.socket]
) -> None:
    async with Client(alone.socket) as client:
        cri = Cri(alone, client)
        url = await asked(cri, await cri.run(await cri.run_pod(), ["sleep", "1000"]))
        await cri.remove_all()
    for sent in HALVES.values():
        await scan(url, sent, scanners, SCANS // 10)
    async with asyncio.timeout(LIMIT_S):
        await asyncio.to_thread(alone.stop)
    log = alone.log.read_text()
    assert "Traceback" not in log
    assert "exception" not in log.lower()


async def test_only_root_and_its_group_reach_the_socket_of_the_cri(daemon: Daemon) -> None:
    mode = daemon.socket.stat()
    assert (mode.st_uid, mode.st_gid, mode.st_mode & 0o7777) == (0, 0, 0o660)
    assert await asyncio.to_thread(refused_to, daemon.socket, 65534)


def refused_to(path: Path, uid: int) -> bool:
    """Whether a process of another user cannot connect to a socket."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
        except PermissionError:
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0
