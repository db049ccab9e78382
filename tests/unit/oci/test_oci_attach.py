"""Input for a container, as conmon takes it: in records, in order, however it comes."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cri_shim.oci.attach import FEED, ConmonClient

LIMIT_S = 10


class Conmon:
    """The other end of one attachment."""

    def __init__(self, directory: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        held = os.open(directory, os.O_PATH)  # a socket's path must be short
        self._listener.bind(f"/proc/self/fd/{held}/attach")
        os.close(held)
        self._listener.listen(1)
        self._peer: socket.socket | None = None

    async def records(self) -> list[bytes]:
        """Return the sent data until its end."""
        if self._peer is None:
            self._peer, _ = self._listener.accept()
            self._peer.setblocking(False)
        found: list[bytes] = []
        async with asyncio.timeout(LIMIT_S):
            while record := await asyncio.get_running_loop().sock_recv(self._peer, 1 << 20):
                found.append(record)
        return found

    def close(self) -> None:
        for sock in (self._peer, self._listener):
            if sock is not None:
                sock.close()


@pytest.fixture
async def conmon(tmp_path: Path) -> AsyncIterator[Conmon]:
    made = Conmon(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def attachment(conmon: Conmon, tmp_path: Path) -> AsyncIterator[ConmonClient]:
    made = ConmonClient(lambda stream, data: None, lambda: None, lambda: None)
    await made.connect(tmp_path)
    yield made
    made.close()


async def test_long_input_is_split_into_records_that_conmon_accepts(
    conmon: Conmon, attachment: ConmonClient
) -> None:
    data = os.urandom(10 * FEED + 17)
    attachment.feed(data)
    attachment.feed_end()
    records = await conmon.records()
    assert b"".join(records) == data
    assert max(map(len, records)) <= FEED


async def test_many_waiting_pieces_are_sent_in_order(
    conmon: Conmon, attachment: ConmonClient
) -> None:
    pieces = [bytes([number % 251]) for number in range(100_000)]
    waiting = [attachment.feed(piece) for piece in pieces]
    attachment.feed_end()
    records = await conmon.records()
    assert b"".join(records) == b"".join(pieces)
    assert len(records) < 1000
    assert max(waiting) > 99_000


async def test_input_after_the_end_of_input_is_dropped(
    conmon: Conmon, attachment: ConmonClient
) -> None:
    attachment.feed(b"said")
    attachment.feed_end()
    assert attachment.feed(b"too late") == 0
    assert await conmon.records() == [b"said"]
