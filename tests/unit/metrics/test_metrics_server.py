"""The server of the metrics: hostile and slow clients, TLS, unix sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cri_shim.errors import ConfigError, StateError
from cri_shim.metrics import connection, server
from cri_shim.metrics.server import MAX_CONNECTIONS, MetricsServer
from cri_shim.streaming.certificate import Certificate
from tests.fixtures.tls import Authority
from tests.fixtures.waiting import until

GET = b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n"
TEXT = "text/plain"


async def text() -> bytes:
    return b"cri_shim_pods 1\n"


@asynccontextmanager
async def serving(
    where: Path,
    page: Callable[[], object] = text,
    certificate: Certificate | None = None,
) -> AsyncIterator[MetricsServer]:
    made = MetricsServer(f"unix://{where}", certificate, page, TEXT)  # type: ignore[arg-type]
    made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return tmp_path / "metrics.sock"


async def ask(where: Path, request: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """Send bytes and return the whole answer; b"" if the server closed without one."""
    name = "node" if context is not None else None
    reader, writer = await asyncio.open_unix_connection(
        str(where), ssl=context, server_hostname=name
    )
    try:
        writer.write(request)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_scraper_gets_the_page(where: Path) -> None:
    async with serving(where) as made:
        answer = await ask(where, GET)

        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\ncri_shim_pods 1\n")
        assert made.scrapes == {"ok": 1}


async def test_a_head_request_gets_no_body(where: Path) -> None:
    async with serving(where):
        answer = await ask(where, GET.replace(b"GET", b"HEAD"))

    assert b"Content-Length: 16\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", b"405 Method"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400 Bad Request"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 20_000, b"431 Request"),
    ],
)
async def test_what_is_no_request_for_the_page_is_refused(where, request_, status) -> None:
    async with serving(where) as made:
        answer = await ask(where, request_)

        assert answer.startswith(b"HTTP/1.1 " + status)
        assert made.scrapes == {"refused": 1}


async def test_a_client_that_says_nothing_is_dropped(where: Path, monkeypatch) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.02)
    async with serving(where) as made:
        assert await ask(where, b"GET /met") == b""
        assert made.scrapes == {"timeout": 1}


async def test_a_client_that_does_not_read_is_dropped(where: Path, monkeypatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_S", 0.05)

    async def large() -> bytes:
        return b"x" * (64 << 20)

    async with serving(where, large) as made:
        _, writer = await asyncio.open_unix_connection(str(where), limit=1024)
        writer.write(GET)
        await until(lambda: made.scrapes["timeout"] == 1)
        await until(lambda: not made._connections)
        writer.close()


async def test_silent_clients_do_not_keep_a_scraper_out(where: Path) -> None:
    async with serving(where) as made:
        silent = [await asyncio.open_unix_connection(str(where)) for _ in range(MAX_CONNECTIONS)]
        await until(lambda: len(made._connections) == MAX_CONNECTIONS)

        assert (await ask(where, GET)).startswith(b"HTTP/1.1 200")
        assert made.scrapes == {"dropped": 1, "ok": 1}
        for _, writer in silent:
            writer.close()


async def test_requests_at_the_same_time_share_one_page(where: Path) -> None:
    made, go = 0, asyncio.Event()

    async def slow() -> bytes:
        nonlocal made
        made += 1
        await go.wait()
        return b"page\n"

    async with serving(where, slow):
        asking = [asyncio.create_task(ask(where, GET)) for _ in range(4)]
        await until(lambda: made == 1)
        await asyncio.sleep(0.05)
        go.set()
        answers = await asyncio.gather(*asking)

    assert made == 1
    assert all(answer.endswith(b"page\n") for answer in answers)


async def test_a_page_that_fails_is_an_answer(where: Path, caplog) -> None:
    async def broken() -> bytes:
        raise KeyError("x")

    async with serving(where, broken):
        assert (await ask(where, GET)).startswith(b"HTTP/1.1 500")
    assert "the page of metrics failed" in caplog.text


async def test_the_unix_socket_is_not_open_to_others_and_goes_at_the_end(where: Path) -> None:
    async with serving(where):
        assert where.stat().st_mode & 0o777 == 0o660
    assert not where.exists()


async def test_a_socket_that_another_server_has_is_refused(where: Path) -> None:
    async with serving(where):
        with pytest.raises(StateError, match=r"another program serves on .*metrics\.sock"):
            MetricsServer(f"unix://{where}", None, text, TEXT).open()


async def test_a_port_that_is_taken_is_an_error_with_a_remedy() -> None:
    taken = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with taken:
        with pytest.raises(ConfigError, match="already in use; choose another address"):
            MetricsServer(f"127.0.0.1:{port}", None, text, TEXT).open()


async def test_a_client_without_a_certificate_of_the_authority_is_refused(
    where: Path, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "tls")
    cert, key = authority.issue("server")
    served = Certificate(cert, key, section="metrics", client_authorities=authority.certificate)
    context = ssl.create_default_context(cafile=authority.certificate)
    context.check_hostname = False
    async with serving(where, certificate=served) as made:
        try:
            answer = await ask(where, GET, context)
        except OSError:
            answer = b""
        assert answer == b""
        context.load_cert_chain(*authority.issue("prometheus"))

        assert (await ask(where, GET, context)).startswith(b"HTTP/1.1 200")
        assert made.scrapes == {"ok": 1}


async def test_authorities_that_are_replaced_are_no_longer_accepted(
    where: Path, tmp_path: Path
) -> None:
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    file = tmp_path / "ca.crt"
    file.write_bytes(old.certificate.read_bytes())
    served = Certificate(*old.issue("server"), section="metrics", client_authorities=file)
    context = ssl.create_default_context(cafile=old.certificate)
    context.check_hostname = False
    context.load_cert_chain(*old.issue("prometheus"))
    async with serving(where, certificate=served) as made:
        file.unlink()
        file.write_bytes(new.certificate.read_bytes() + b"\n")
        assert (await ask(where, GET, context)).startswith(b"HTTP/1.1 200")  # it sees the change
        try:
            answer = await ask(where, GET, context)
        except OSError:
            answer = b""

        assert answer == b""
        assert made.scrapes == {"ok": 1}


def test_the_results_of_connections_are_fixed() -> None:
    assert server.RESULTS == ("ok", "refused", "timeout", "dropped")
