"""The looks for the first line of a log: a few, then no more."""

import asyncio

import pytest

from cri_shim.timeline import Entry, first_lines
from cri_shim.timeline.first_lines import FirstLines
from tests.unit.timeline.made import CONTAINER_ID, POD_ID, entry


class Log:
    """A log whose first line is there at the look `at`; 0: never."""

    def __init__(self, at: int) -> None:
        self.at, self.looks = at, 0
        self.found: list[tuple[str, Entry]] = []
        self.lines = FirstLines(self.look, lambda pod, one: self.found.append((pod, one)))

    async def look(self, id: str) -> Entry | None:
        self.looks += 1
        return entry(name=id) if self.looks == self.at else None


async def settled(log: Log) -> None:
    async with asyncio.timeout(30):
        while log.lines._timers or len(log.lines._tasks):  # noqa: ASYNC110
            await asyncio.sleep(0)


@pytest.mark.parametrize("at", [1, 3])
async def test_it_looks_until_there_is_a_line(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    monkeypatch.setattr(first_lines, "PAUSES_S", (0.0,) * 4)
    log = Log(at)
    log.lines.started(POD_ID, CONTAINER_ID)
    await settled(log)
    assert (log.looks, log.found) == (at, [(POD_ID, entry(name=CONTAINER_ID))])


async def test_it_gives_up_after_the_last_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_lines, "PAUSES_S", (0.0,) * 4)
    log = Log(0)
    log.lines.started(POD_ID, CONTAINER_ID)
    await settled(log)
    assert (log.looks, log.found) == (4, [])


async def test_the_number_of_containers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_lines, "MOST_WAITING", 2)
    log = Log(1)
    for number in range(3):
        log.lines.started(POD_ID, str(number))
    assert list(log.lines._timers) == ["0", "1"]
    await log.lines.close()


async def test_the_end_leaves_no_timer() -> None:
    log = Log(1)
    log.lines.started(POD_ID, CONTAINER_ID)
    await log.lines.close()
    assert (log.lines._timers, log.looks) == ({}, 0)
