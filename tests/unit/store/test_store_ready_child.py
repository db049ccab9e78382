"""A child that waits for its arguments: it gets them once, and ends with those who wait for it."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.store import ready_main
from cri_shim.store.ready_child import ReadyChild
from tests.fixtures.processes import children
from tests.fixtures.waiting import until

PROGRAM = "tests.fixtures.ready_program"


@pytest.fixture
async def child() -> AsyncIterator[ReadyChild]:
    made = ReadyChild(PROGRAM)
    yield made
    await made.end()
    assert children() == []


@pytest.fixture
def fed(tmp_path: Path) -> int:
    reader, writer = os.pipe()
    os.write(writer, b"news")
    os.close(writer)
    return reader


async def test_it_gets_its_arguments_and_its_standard_input(
    child: ReadyChild, fed: int, tmp_path: Path
) -> None:
    said = await child.call("a", "b c\n", attempt="cannot try", directory=tmp_path, feed=fed)
    os.close(fed)
    assert said == {"words": ["a", "b c\n"], "fed": "news"}
    assert not child.running


async def test_its_failure_is_that_of_the_attempt(
    child: ReadyChild, fed: int, tmp_path: Path
) -> None:
    with pytest.raises(ToolFailed, match=r"^cannot try: it fails as it was told$"):
        await child.call("fail", attempt="cannot try", directory=tmp_path, feed=fed)
    os.close(fed)


async def test_a_call_that_is_cancelled_leaves_no_process(
    child: ReadyChild, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    call = asyncio.ensure_future(
        child.call("a", attempt="cannot try", directory=tmp_path, feed=reader)
    )
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    os.close(reader)
    os.close(writer)
    assert children() == []


async def test_a_child_that_was_killed_while_it_waited_fails_its_call(
    child: ReadyChild, fed: int, tmp_path: Path
) -> None:
    await child._process.end()
    with pytest.raises(ToolFailed, match=r"^cannot try: "):
        await child.call("a", attempt="cannot try", directory=tmp_path, feed=fed)
    os.close(fed)


async def test_it_ends_when_the_daemon_does(child: ReadyChild) -> None:
    child._ours.close()
    await until(lambda: not child.running)


async def test_arguments_that_are_too_long_for_a_message_are_refused(
    child: ReadyChild, fed: int, tmp_path: Path
) -> None:
    long = "x" * ready_main.MESSAGE_LIMIT
    with pytest.raises(ToolFailed, match=r"^cannot try: "):
        await child.call(long, attempt="cannot try", directory=tmp_path, feed=fed)
    os.close(fed)
