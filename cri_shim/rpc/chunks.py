"""Long answers in parts, for the Stream RPCs: a part is made after the previous one was sent."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import TypeVar

from google.protobuf.message import Message

PART_ROWS = 100
PART_BYTES = 1 << 20  # a part ends above this size, well below the limit for a message

T = TypeVar("T", bound=Message)


async def parts(rows: Iterable[T] | AsyncGenerator[T, None]) -> AsyncGenerator[list[T], None]:
    """Yield the rows in lists of bounded length; nothing if there are no rows."""
    part: list[T] = []
    size = 0
    async with aclosing(rows if isinstance(rows, AsyncGenerator) else _async(rows)) as each:
        async for row in each:
            part.append(row)
            size += row.ByteSize()
            if len(part) >= PART_ROWS or size >= PART_BYTES:
                yield part
                part, size = [], 0
    if part:
        yield part


async def _async(rows: Iterable[T]) -> AsyncGenerator[T, None]:
    for row in rows:
        yield row
