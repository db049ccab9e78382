"""A client's session with servers that misbehave."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto import events as ws

from cri_shim.cli.session import Session
from cri_shim.errors import ToolFailed, Unavailable
from cri_shim.wire.remotecommand import Outcome

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    """Yield the URL of a server that calls `serve` for each connection."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        writer.close()

    listening = await asyncio.start_server(once, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/exec/abc"


def speaking(*messages: ws.Event) -> Serve:
    """Accept the upgrade, send these events, and disconnect."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = WSConnection(ConnectionType.SERVER)
        peer.receive_data(await reader.readuntil(b"\r\n\r\n"))
        asked = next(iter(peer.events()))
        assert isinstance(asked, ws.Request) and asked.subprotocols == ["v5.channel.k8s.io"]
        writer.write(peer.send(ws.AcceptConnection(subprotocol=asked.subprotocols[0])))
        for message in messages:
            writer.write(peer.send(message))
        await writer.drain()

    return serve


def saying(text: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)

    return serve


async def received(serve: Serve) -> tuple[Outcome, list[tuple[int, bytes]]]:
    output: list[tuple[int, bytes]] = []
    async with server(serve) as url, await Session.open(url) as session:
        outcome = await session.receive(lambda stream, data: output.append((stream, bytes(data))))
    return outcome, output


async def test_pieces_of_output_and_status_are_joined() -> None:
    code = b'{"status":"Failure","reason":"NonZeroExitCode",'
    rest = b'"details":{"causes":[{"message":"7"}]}}'
    outcome, output = await received(
        speaking(
            ws.BytesMessage(b"\x01he", message_finished=False),
            ws.BytesMessage(b"llo"),
            ws.BytesMessage(b""),
            ws.BytesMessage(b"\x02oh"),
            ws.Ping(),
            ws.BytesMessage(b"\x03" + code),
            ws.BytesMessage(b"\x03" + rest),
            ws.CloseConnection(1000),
        )
    )
    assert outcome == Outcome(exit_code=7)
    assert output == [(1, b"he"), (1, b"llo"), (2, b"oh")]


async def test_a_close_without_a_status_is_an_error() -> None:
    outcome, _ = await received(speaking(ws.CloseConnection(1000)))
    assert outcome.error.startswith("the session ended without a status")


async def test_a_connection_that_ends_early_is_an_error() -> None:
    with pytest.raises(Unavailable, match="cut off"):
        await received(speaking(ws.BytesMessage(b"\x01half")))


async def test_the_error_of_a_refusal_has_its_text() -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 11\r\n\r\nnothing so\n"
    with pytest.raises(ToolFailed, match=r"refuses: HTTP status 404 nothing so"):
        await received(saying(answer))


async def test_the_error_of_a_refusal_without_a_text_has_its_number() -> None:
    with pytest.raises(ToolFailed, match=r"refuses: HTTP status 503$"):
        await received(saying(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"))


async def test_a_server_without_http_is_an_error() -> None:
    with pytest.raises(ToolFailed, match="does not speak WebSocket"):
        await received(saying(b"220 mail ready\r\n\r\n"))


async def test_the_error_of_a_missing_server_names_its_address() -> None:
    async with server(saying(b"")) as url:
        pass
    with pytest.raises(Unavailable, match=r"cannot reach the streaming server at 127\.0\.0\.1:"):
        await Session.open(url)
