"""A path that does not answer delays only its own caller, for a limited time."""

import asyncio
import threading
from pathlib import Path

import pytest

from cri_shim.aio import outside
from cri_shim.aio.offload import offload
from cri_shim.errors import ResourceExhausted, Unavailable


async def test_a_look_returns_the_result_of_the_call(tmp_path: Path) -> None:
    assert await outside.look(str(tmp_path), tmp_path.is_dir)


async def test_a_look_raises_the_exception_of_the_call(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await outside.look("/gone", (tmp_path / "gone").stat)


async def test_a_timeout_error_of_the_call_itself_is_not_taken_for_the_limit() -> None:
    def call() -> None:
        raise TimeoutError("of the call")

    with pytest.raises(TimeoutError, match="of the call"):
        await outside.look("/p", call)


async def test_a_look_that_hangs_is_an_error_that_names_the_path() -> None:
    go = threading.Event()
    with pytest.raises(Unavailable, match=r"/dead/volume: .* did not answer within 0.05 s"):
        await outside.look("/dead/volume", go.wait, limit=0.05)
    go.set()


async def test_twenty_looks_that_hang_leave_the_pool_of_our_own_files_free() -> None:
    go = threading.Event()
    looks = [asyncio.create_task(outside.look("/dead", go.wait)) for _ in range(20)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(offload(lambda: "ours"), 5) == "ours"
    go.set()
    await asyncio.gather(*looks)


async def test_a_result_that_comes_too_late_is_discarded() -> None:
    go, discarded = threading.Event(), asyncio.Event()

    def call() -> str:
        go.wait(5)
        return "late"

    kept: list[str] = []

    def discard(result: str) -> None:
        kept.append(result)
        discarded.set()

    with pytest.raises(Unavailable):
        await outside.look("/dead", call, limit=0.01, discard=discard)
    go.set()
    await asyncio.wait_for(discarded.wait(), 5)
    assert kept == ["late"]


async def test_a_result_that_comes_just_before_a_cancellation_is_discarded() -> None:
    go, kept = threading.Event(), list[bool]()
    looking = asyncio.create_task(outside.look("/p", go.wait, discard=kept.append))
    await asyncio.sleep(0)
    (thread,) = (t for t in threading.enumerate() if t.name == "look /p")
    go.set()
    thread.join()  # the answer waits for its turn on the loop
    asyncio.get_running_loop().call_soon(looking.cancel)
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert kept == [True]


async def test_a_bounded_number_of_looks_may_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "MOST_AT_ONCE", len(outside._busy) + 1)
    go = threading.Event()
    first = asyncio.create_task(outside.look("/dead", go.wait))
    await asyncio.sleep(0)
    with pytest.raises(ResourceExhausted, match="/other"):
        await outside.look("/other", go.wait)
    go.set()
    await first
