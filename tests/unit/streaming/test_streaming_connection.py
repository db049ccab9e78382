"""Connections over real sockets: good, bad and slow requests, and the calls to sessions."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cri_shim.aio.rounds import Rounds
from cri_shim.streaming import connection as module
from cri_shim.streaming.connection import Answer, ClientConnection, Shared
from cri_shim.streaming.link import Link
from cri_shim.streaming.memory import Pool
from cri_shim.streaming.upgrade import Agreed, Refusal

GOOD = b"POST /exec/t HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
AGREED = Agreed("spdy", "v4", (("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1")))


class Recorder:
    """A session that records its calls and echoes its input."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.heard = b""
        self.events: list[str] = []
        self.changed = asyncio.Event()

    def _note(self, event: str) -> None:
        self.events.append(event)
        self.changed.set()

    def received(self, data: bytes | bytearray) -> None:
        self.heard += data
        self.changed.set()

    def work(self, frames: int) -> int:
        return 0

    def gone(self) -> None:
        self._note("gone")

    def pause(self) -> None:
        self._note("pause")

    def resume(self) -> None:
        self._note("resume")

    def end(self, reason: str) -> None:
        self._note(f"end: {reason}")
        self.link.write((b"bye",))
        self.link.close()

    async def until(self, event: str) -> None:
        async with asyncio.timeout(5):
            while event not in self.events:
                self.changed.clear()
                await self.changed.wait()


class House:
    """A listening server whose every request is answered by `answer`."""

    def __init__(self, decide: Callable[[Any], Answer], idle: float = 1000.0) -> None:
        self.decide = decide
        self.shared = Shared(idle, Rounds(), Pool(1 << 30))
        self.sessions: list[Recorder] = []
        self.connections: set[ClientConnection] = set()
        self.empty = asyncio.Event()
        self.empty.set()

    def open(self, link: Link) -> Recorder:
        self.sessions.append(Recorder(link))
        return self.sessions[-1]

    def _made(self) -> ClientConnection:
        return ClientConnection(self, self.shared)

    def opened(self, connection: ClientConnection) -> None:
        self.connections.add(connection)
        self.empty.clear()

    def answer(self, connection: ClientConnection, request: Any) -> Answer:
        return self.decide(request)

    def closed(self, connection: ClientConnection) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self.empty.set()

    async def __aenter__(self) -> "House":
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(self._made, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for made in list(self.connections):
            made.abort()
        async with asyncio.timeout(5):
            await self.empty.wait()

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made: House
    made = House(lambda request: (AGREED, made.open))
    async with made:
        yield made


async def answer_to(house: House, data: bytes, *, eof: bool = False) -> bytes:
    reader, writer = await house.dial()
    writer.write(data)
    if eof:
        writer.write_eof()
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return answer


async def test_a_good_request_becomes_a_session(house):
    reader, writer = await house.dial()
    writer.write(GOOD + b"early")
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert house.sessions[0].heard == b"early"
    writer.close()
    await house.sessions[0].until("gone")


async def test_a_request_may_come_byte_by_byte(house):
    reader, writer = await house.dial()
    for byte in GOOD:
        writer.write(bytes([byte]))
        await writer.drain()
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    writer.close()


async def test_a_refusal_is_a_complete_answer_and_closes_the_connection():
    async with House(lambda request: Refusal(404, "there is nothing here")) as house:
        answer = await answer_to(house, GOOD)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.endswith(b"\r\n\r\nthere is nothing here\n")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nbroken header\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 40000, b"431"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 40000, b"431"),
        (GOOD[:-2] + b"Content-Length: 3\r\n\r\nabc", b"400"),
        (GOOD[:-2] + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"400"),
    ],
)
async def test_a_malformed_request_gets_an_error(house, data, status):
    assert (await answer_to(house, data))[9:12] == status
    assert house.sessions == []


async def test_a_request_that_ends_early_is_just_closed(house):
    assert await answer_to(house, GOOD[:30], eof=True) == b""


async def test_a_slow_request_times_out(house, monkeypatch):
    monkeypatch.setattr(module, "HEAD_S", 0.05)
    assert (await answer_to(house, GOOD[:30])).startswith(b"HTTP/1.1 408 ")


async def test_a_silent_session_ends_with_the_reason():
    made: House
    made = House(lambda request: (AGREED, made.open), idle=0.05)
    async with made:
        assert (await answer_to(made, GOOD)).endswith(b"bye")
        assert made.sessions[0].events[0] == "end: nothing was said for 0.05 seconds"


@pytest.mark.large
async def test_a_session_that_only_sends_is_not_silent() -> None:
    made: House
    made = House(lambda request: (AGREED, made.open), idle=0.2)
    async with made:
        reader, writer = await made.dial()
        writer.write(GOOD)
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(10):
            await asyncio.sleep(0.05)
            made.sessions[0].link.write((b"tick",))
        assert made.sessions[0].events == []
        writer.close()


async def test_a_close_lets_everything_written_arrive(house):
    reader, writer = await house.dial()
    writer.write(GOOD)
    await reader.readuntil(b"\r\n\r\n")
    link = house.sessions[0].link
    writer.write(b"unread " * 1000)
    link.write((b"x" * 3_000_000,))
    link.close()
    assert len(await reader.read()) == 3_000_000
    writer.close()
    await house.sessions[0].until("gone")


async def test_a_session_is_paused_while_its_client_does_not_read(house):
    reader, writer = await house.dial()
    writer.write(GOOD)
    await reader.readuntil(b"\r\n\r\n")
    session = house.sessions[0]
    session.link.write((b"x" * 24_000_000,))
    await session.until("pause")
    assert session.link.backlog() > 0
    await reader.readexactly(24_000_000)
    await session.until("resume")
    writer.close()


async def test_a_client_that_sends_much_and_reads_nothing_is_dropped(house, monkeypatch):
    monkeypatch.setattr(module, "FLOOD", 1 << 20)
    reader, writer = await house.dial()
    writer.write(GOOD)
    await reader.readuntil(b"\r\n\r\n")
    for _ in range(20):
        house.sessions[0].link.write((b"x" * 1_000_000,))
    await house.sessions[0].until("gone")
    writer.close()


@pytest.mark.large
async def test_a_client_that_leaves_is_noticed_while_nothing_is_read(house):
    reader, writer = await house.dial()
    writer.write(GOOD)
    await reader.readuntil(b"\r\n\r\n")
    session = house.sessions[0]
    session.link.throttle(True)
    writer.write(b"x" * 100_000)
    await writer.drain()
    writer.close()
    await session.until("gone")
    assert session.heard == b""


class Talkative(Recorder):
    """A session that writes much when its client has disconnected."""

    def gone(self) -> None:
        for _ in range(20):
            self.link.write((b"farewell",))
        super().gone()


async def test_output_for_a_disconnected_client_is_discarded_and_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made: House

    def open(link: Link) -> Recorder:
        made.sessions.append(Talkative(link))
        return made.sessions[-1]

    made = House(lambda request: (AGREED, open))
    async with made:
        reader, writer = await made.dial()
        writer.write(GOOD)
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
        await made.sessions[0].until("gone")
    assert caplog.records == []


async def test_throttling_stops_and_resumes_reading(house):
    reader, writer = await house.dial()
    writer.write(GOOD)
    await reader.readuntil(b"\r\n\r\n")
    session = house.sessions[0]
    session.link.throttle(True)
    writer.write(b"held back")
    await writer.drain()
    await asyncio.sleep(0.05)
    assert session.heard == b""
    session.link.throttle(False)
    session.changed.clear()
    await session.changed.wait()
    assert session.heard == b"held back"
    writer.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.binary(min_size=1, max_size=300), cut=st.integers(0, len(GOOD)))
def test_garbage_gets_an_error_or_a_closed_connection(data, cut):
    async def attempt() -> bytes:
        async with House(lambda request: Refusal(404, "no")) as house:
            return await answer_to(house, GOOD[:cut] + data, eof=True)

    answer = asyncio.run(attempt())
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
