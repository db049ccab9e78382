"""Transfers that go on, however slowly, and those that do not."""

import asyncio
from pathlib import Path

import pytest

from cri_shim.errors import RegistryUnavailable
from cri_shim.store.archives.stall import unless_stalled

PATIENCE_S = 0.2


async def test_what_ends_is_returned(tmp_path: Path) -> None:
    assert await unless_stalled(asyncio.sleep(0, "done"), tmp_path, PATIENCE_S, "") == "done"


async def test_an_error_is_the_transfers_own(tmp_path: Path) -> None:
    async def fail() -> None:
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        await unless_stalled(fail(), tmp_path, PATIENCE_S, "")


@pytest.mark.large
async def test_who_writes_now_and_then_is_waited_for(tmp_path: Path) -> None:
    async def trickle() -> int:
        for n in range(12):
            await asyncio.sleep(0.05)
            (tmp_path / f"piece{n}").write_text("x")
        return 12

    assert await unless_stalled(trickle(), tmp_path, 0.5, "") == 12


class Hang:
    """A transfer that does nothing until it is ended."""

    def __init__(self) -> None:
        self.ended = False

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


async def test_who_writes_nothing_is_ended_and_that_is_said(tmp_path: Path) -> None:
    hang = Hang()
    with pytest.raises(RegistryUnavailable, match=r"cannot copy it: no byte came for 0.2 s"):
        await unless_stalled(hang.run(), tmp_path, PATIENCE_S, "cannot copy it")
    assert hang.ended


async def test_a_caller_who_gives_up_ends_it(tmp_path: Path) -> None:
    hang = Hang()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(unless_stalled(hang.run(), tmp_path, 100, ""), 0.05)
    assert hang.ended


async def test_no_patience_is_endless(tmp_path: Path) -> None:
    assert await unless_stalled(asyncio.sleep(0.01, 1), tmp_path, 0, "") == 1
