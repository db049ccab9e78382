"""A stream of bytes as parts of an answer: what a use case writes is sent piece by piece."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import BinaryIO

from cri_shim.aio.offload import finish

PIECE = 1 << 18  # bytes of one message


async def pieces(write: Callable[[BinaryIO], Awaitable[None]]) -> AsyncGenerator[bytes, None]:
    """Yield what `write` writes to its file, and raise its error at the end.

    A reader that is slow holds `write` back; one that stops cancels it.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    reader = asyncio.StreamReader(limit=2 * PIECE)
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(reading, "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    work = asyncio.create_task(_write(write, writing), name="write pieces")
    try:
        while data := await reader.read(PIECE):
            yield data
        await work
    finally:
        transport.close()
        work.cancel()
        await finish(asyncio.wait([work]))


async def _write(write: Callable[[BinaryIO], Awaitable[None]], writing: int) -> None:
    with os.fdopen(writing, "wb", 0) as file:
        await write(file)
