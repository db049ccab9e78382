"""The server of the page on a real socket: files, events, refusals, and its end."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

import pytest

from cri_shim.cli.desk import server
from cri_shim.cli.desk.server import Desk

LIMIT_S = 10.0


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Desk, list[int]]]:
    """Yield a desk, and a list that has one entry for each question to the daemon."""
    asked: list[int] = []

    async def ask() -> dict[str, int]:
        asked.append(1)
        return {"number": len(asked)}

    desk = Desk(ask)
    await desk.start(0)
    try:
        yield desk, asked
    finally:
        await desk.close()


async def get(desk: Desk, path: str, host: str = "") -> tuple[int, str, bytes]:
    """Return status, head and body of a whole answer."""
    port = int(re.findall(r":(\d+)/", desk.guard.url)[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        host = host or f"127.0.0.1:{port}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        async with asyncio.timeout(LIMIT_S):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    return int(head.split()[1]), head.decode(), body


@asynccontextmanager
async def events(desk: Desk) -> AsyncIterator[asyncio.StreamReader]:
    port = int(re.findall(r":(\d+)/", desk.guard.url)[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = f"/{desk.guard.token}/events"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    try:
        async with asyncio.timeout(LIMIT_S):
            await reader.readuntil(b"\r\n\r\n")
            yield reader
    finally:
        writer.close()


async def number(reader: asyncio.StreamReader) -> int:
    event = (await reader.readuntil(b"\n\n")).decode()
    assert event.startswith("event: facts\ndata: ")
    return int(json.loads(event.split("data: ")[1])["number"])


@pytest.mark.parametrize(("name", "kind"), [("", "text/html"), ("page.css", "text/css")])
async def test_a_file_is_sent_whole_with_its_type_and_the_policy(name: str, kind: str) -> None:
    async with served() as (desk, asked):
        status, head, body = await get(desk, f"/{desk.guard.token}/{name}")

    file = resources.files("cri_shim.cli.desk").joinpath(name or "page.html")
    assert (status, body) == (200, file.read_bytes())
    assert f"Content-Type: {kind}" in head
    assert "Content-Security-Policy: default-src 'none'" in head
    assert asked == []


async def test_without_token_or_with_another_host_there_is_nothing() -> None:
    async with served() as (desk, _):
        assert (await get(desk, "/"))[0] == 404
        assert (await get(desk, f"/{desk.guard.token}/", "evil.example"))[0] == 421


async def test_events_come_as_long_as_a_page_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STEP_S", 0.01)
    async with served() as (desk, asked):
        async with events(desk) as reader, events(desk) as other:
            first = await number(reader)
            assert await number(reader) > first
            assert await number(other) >= first
        async with asyncio.timeout(LIMIT_S):
            while desk._asking is None or not desk._asking.done():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        seen = len(asked)
        async with events(desk) as reader:
            assert await number(reader) >= seen


async def test_too_many_connections_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 1)
    async with served() as (desk, _), events(desk) as reader:
        await number(reader)
        assert (await get(desk, f"/{desk.guard.token}/"))[0] == 503


async def test_a_request_that_is_none_is_refused() -> None:
    async with served() as (desk, _):
        port = int(re.findall(r":(\d+)/", desk.guard.url)[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")
        async with asyncio.timeout(LIMIT_S):
            answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_the_page_names_no_other_place_and_has_no_code_in_its_html() -> None:
    directory = resources.files("cri_shim.cli.desk")
    texts = [directory.joinpath(f"page.{end}").read_text() for end in ("html", "css", "js")]

    assert not any(re.search(r"https?://|//cdn|@import|url\(", text) for text in texts)
    assert re.findall(r"<script[^>]*>", texts[0]) == ['<script src="page.js" defer>']
    assert not re.search(r"\son\w+=|style=", texts[0])
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", texts[2])
