"""Long answers are sent in parts that are made on request."""

from collections.abc import AsyncGenerator, Iterator

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc import chunks as module
from cri_shim.rpc.chunks import parts


async def test_rows_come_in_order_and_no_part_is_long() -> None:
    rows = [api.Container(id=str(n)) for n in range(250)]
    got = [part async for part in parts(rows)]
    assert [len(part) for part in got] == [100, 100, 50]
    assert [row for part in got for row in part] == rows


async def test_large_rows_make_short_parts() -> None:
    rows = [api.Container(id="x" * (module.PART_BYTES // 2 + 1)) for _ in range(5)]
    assert [len(part) async for part in parts(rows)] == [2, 2, 1]


async def test_no_row_is_made_before_its_part_is_requested() -> None:
    made = []

    def rows() -> Iterator[api.Container]:
        for n in range(1000):
            made.append(n)
            yield api.Container(id=str(n))

    cursor = parts(rows())
    await anext(cursor)
    assert len(made) == 100
    await cursor.aclose()


async def test_asynchronous_rows_come_in_parts_too() -> None:
    async def rows() -> AsyncGenerator[api.Container, None]:
        for n in range(150):
            yield api.Container(id=str(n))

    assert [len(part) async for part in parts(rows())] == [100, 50]


async def test_without_rows_there_is_no_part() -> None:
    assert [part async for part in parts(list[api.Container]())] == []
