"""The wire modules against client-go: their bytes, and nothing of the daemon."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from cri_shim.wire.negotiation import PORT_FORWARD, PORT_FORWARD_TUNNEL, V1, V2, V3, V4, V5
from tests.clients.program import GoClients
from tests.clients.throwaway import ThrowAway

both = pytest.mark.parametrize("transport", ["spdy", "websocket"])


@pytest.fixture
async def server() -> AsyncIterator[ThrowAway]:
    async with ThrowAway() as running:
        yield running


async def echo(port: int, data: bytes) -> bytes:
    """Send data and its end to a forwarded port; what comes back until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@both
async def test_stdin_stdout_and_stderr_pass(
    go_clients: GoClients, server: ThrowAway, transport: str
):
    ended = await go_clients.run(
        "exec", server.url("exec", stdin=1), "-stdin", transport=transport, stdin=b"hello"
    )

    assert (ended.exit_code, ended.error) == (0, "")
    assert (ended.stdout.head, ended.stderr.head) == ("hello", "to stderr")


async def test_the_best_protocol_of_each_transport_is_used(
    go_clients: GoClients, server: ThrowAway
):
    for transport in ("spdy", "websocket", "fallback"):
        await go_clients.run("attach", server.url("exec"), transport=transport)

    assert server.protocols == [V4, V5, V5]


@both
async def test_an_exit_code_arrives(go_clients: GoClients, server: ThrowAway, transport: str):
    ended = await go_clients.run("exec", server.url("exec", code=42), transport=transport)

    assert ended.exit_code == 42
    assert ended.error.endswith("exit code 42")


@both
async def test_an_error_of_ours_arrives(go_clients: GoClients, server: ThrowAway, transport: str):
    ended = await go_clients.run("exec", server.url("exec", error="lost"), transport=transport)

    assert (ended.exit_code, ended.error) == (-1, "Internal error occurred: lost")


@both
async def test_sizes_of_a_terminal_arrive(go_clients: GoClients, server: ThrowAway, transport: str):
    ended = await go_clients.run(
        "exec",
        server.url("exec", stdin=1, tty=1, sizes=3),
        *("-stdin", "-tty", "-resize", "80x24,120x40,90x30", "-resize-every", "1ms"),
        transport=transport,
        stdin=b"> ",
    )

    assert ended.stdout.head == "> 80x24 120x40 90x30"
    assert ended.stderr.bytes == 0


@both
async def test_much_output_arrives_whole(go_clients: GoClients, server: ThrowAway, transport: str):
    line = bytes(range(256)) * 256

    ended = await go_clients.run(
        "exec",
        server.url("exec", stdin=1, repeat=320),
        *("-stdin", "-stdout-pause", "100ms"),
        transport=transport,
        stdin=line,
    )

    assert ended.exit_code == 0
    assert ended.stdout.bytes == len(line) * 320
    assert ended.stdout.sha256 == hashlib.sha256(line * 320).hexdigest()


@both
async def test_much_input_arrives_whole(go_clients: GoClients, server: ThrowAway, transport: str):
    data = bytes(range(256)) * 40_000

    ended = await go_clients.run(
        "exec", server.url("exec", stdin=1), "-stdin", transport=transport, stdin=data
    )

    assert ended.stdout.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("protocol", [V2, V3])
async def test_old_protocols_send_failure_as_text(
    go_clients: GoClients, server: ThrowAway, protocol: str
):
    ended = await go_clients.run(
        "exec", server.url("exec", code=3), "-protocols", protocol, transport="spdy"
    )

    assert server.protocols == [protocol]
    assert "exit status 3" in ended.error


@pytest.mark.parametrize("protocol", [V1, V2, V3])
async def test_old_protocols_send_nothing_on_success(
    go_clients: GoClients, server: ThrowAway, protocol: str
):
    ended = await go_clients.run(
        "exec", server.url("exec"), "-protocols", protocol, transport="spdy"
    )

    assert server.protocols == [protocol]
    assert (ended.exit_code, ended.error, ended.stdout.bytes) == (0, "", 0)


async def test_v4_is_supported_over_websocket(go_clients: GoClients, server: ThrowAway):
    ended = await go_clients.run(
        "exec", server.url("exec", code=5), "-protocols", V4, transport="websocket"
    )

    assert (server.protocols, ended.exit_code, ended.stderr.head) == ([V4], 5, "to stderr")


async def test_a_client_whose_websocket_is_refused_falls_back_to_spdy(
    go_clients: GoClients, server: ThrowAway
):
    server.refuse_websocket = True

    ended = await go_clients.run("exec", server.url("exec", code=6), transport="fallback")

    assert (server.protocols, ended.exit_code) == ([V4], 6)


@both
async def test_connections_are_forwarded(go_clients: GoClients, server: ThrowAway, transport: str):
    async with go_clients.forward(server.url("forward"), 80, 90, transport=transport) as forwarding:
        echoes = [echo(forwarding.ports[port], b"abc" * n) for port in (80, 90) for n in range(20)]
        answers = await asyncio.gather(*echoes)

    assert answers == [b"ABC" * n for _ in (80, 90) for n in range(20)]
    assert forwarding.error == ""
    assert server.protocols == [{"spdy": PORT_FORWARD, "websocket": PORT_FORWARD_TUNNEL}[transport]]


@both
async def test_large_data_is_forwarded_complete(
    go_clients: GoClients, server: ThrowAway, transport: str
):
    data = b"forwarded" * 1_000_000

    async with go_clients.forward(server.url("forward"), 80, transport=transport) as forwarding:
        assert await echo(forwarding.ports[80], data) == data.upper()


async def test_a_port_that_cannot_be_reached_ends_the_clients_session(
    go_clients: GoClients, server: ThrowAway
):
    async with go_clients.forward(server.url("forward"), 1) as forwarding:
        assert await echo(forwarding.ports[1], b"x") == b""
        await forwarding.lost()

    assert "lost connection to pod" in forwarding.error
