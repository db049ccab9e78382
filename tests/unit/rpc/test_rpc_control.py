"""The parts of the control service that do not need the daemon's engine."""

import asyncio
from typing import BinaryIO

import pytest

from cri_shim.errors import ToolFailed, Unavailable
from cri_shim.rpc.change_parts import change_parts
from cri_shim.rpc.ending import Ending
from cri_shim.rpc.pieces import PIECE, pieces
from cri_shim.store.trees.changes import Change


async def _seven() -> int:
    return 7


async def test_a_call_that_waits_gets_its_result_while_the_server_runs() -> None:
    assert await Ending().or_result(_seven()) == 7


async def test_a_call_that_waits_ends_with_the_server() -> None:
    ending = Ending()
    waiting = asyncio.create_task(ending.or_result(asyncio.Event().wait()))
    await asyncio.sleep(0)
    ending.begin()
    with pytest.raises(Unavailable, match="the daemon is stopping"):
        await waiting


async def test_what_is_written_arrives_in_pieces() -> None:
    data = bytes(range(256)) * 5000

    async def write(file: BinaryIO) -> None:
        await asyncio.to_thread(file.write, data)

    got = [piece async for piece in pieces(write)]
    assert b"".join(got) == data
    assert max(map(len, got)) <= PIECE


async def test_an_error_of_the_writer_comes_after_its_bytes() -> None:
    async def write(file: BinaryIO) -> None:
        file.write(b"begun")
        raise ToolFailed("cannot go on")

    reading = pieces(write)
    assert await anext(reading) == b"begun"
    with pytest.raises(ToolFailed, match="cannot go on"):
        await anext(reading)


async def test_a_reader_that_stops_ends_the_writer() -> None:
    ended = asyncio.Event()

    async def write(file: BinaryIO) -> None:
        file.write(b"begun")
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    reading = pieces(write)
    assert await anext(reading) == b"begun"
    await reading.aclose()
    assert ended.is_set()


async def test_a_path_that_is_no_text_is_shown_with_escapes() -> None:
    changes = [Change("added", "/a\udcff"), Change("deleted", "/b")]
    (part,) = [part async for part in change_parts(changes)]
    assert [(one.kind, one.path) for one in part.changes] == [("A", "/a\\xff"), ("D", "/b")]
