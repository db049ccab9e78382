"""A relay passes bytes on in both directions, at the speed of the slower side."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from cri_shim.rpc.relay import Relay

SIZE = 5 << 20


class Pair:
    """A client and a server with a relay between them."""

    def __init__(self) -> None:
        self.client, one = socket.socketpair()
        self.server, other = socket.socketpair()
        for each in (self.client, one, self.server, other):
            each.setblocking(False)
        self.ended: list[int] = []
        self.relay = Relay(one, other, lambda: self.ended.append(1))
        self.relay.start()


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = Pair()
    yield made
    made.relay.close()
    made.client.close()
    made.server.close()


async def _read(source: socket.socket, pause: float = 0) -> bytes:
    loop, data = asyncio.get_running_loop(), b""
    while piece := await loop.sock_recv(source, 1 << 16):
        data += piece
        await asyncio.sleep(pause)
    return data


async def _write(sink: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(sink, data)
    sink.shutdown(socket.SHUT_WR)


async def test_both_directions_pass_everything(pair: Pair) -> None:
    to, fro = bytes(range(256)) * (SIZE // 256), b"x" * SIZE
    _, _, there, back = await asyncio.gather(
        _write(pair.client, to), _write(pair.server, fro), _read(pair.server), _read(pair.client)
    )
    assert (there == to, back == fro, pair.ended) == (True, True, [1])


async def test_a_slow_reader_gets_everything(pair: Pair) -> None:
    data = b"y" * SIZE
    _, got = await asyncio.gather(_write(pair.client, data), _read(pair.server, 0.0005))
    assert got == data


async def test_a_side_that_has_ended_still_gets_an_answer(pair: Pair) -> None:
    await _write(pair.client, b"question")
    assert await _read(pair.server) == b"question"
    await _write(pair.server, b"answer")
    assert await _read(pair.client) == b"answer"
    assert pair.ended == [1]


async def test_a_broken_side_ends_the_other(pair: Pair) -> None:
    pair.server.close()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        await loop.sock_sendall(pair.client, b"z")
        assert await _read(pair.client) == b""
        while not pair.ended:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_close_is_told_once(pair: Pair) -> None:
    pair.relay.close()
    pair.relay.close()
    assert pair.ended == [1]
