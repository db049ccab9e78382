"""Comparisons of a running daemon: joined, repaired, looked at again, and counted."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from cri_shim.activity import Subject
from cri_shim.comparison import repair, watch
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.look import Look
from cri_shim.comparison.watch import Comparisons
from cri_shim.config import Config
from cri_shim.errors import Unavailable

MOUNT = Difference("mount", Sort.LEFTOVER, Subject("pod", "", "1"), "/m", "text", "unmounts it")
LOST = Difference("process", Sort.LOST, Subject("pod", "", "2"), "process 5", "text", "records it")


class Node:
    """What looks find, one after the other; the last one is found again and again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *looks: list[Difference]) -> None:
        self._looks = list(looks)
        self.looked = 0
        self.go_on = asyncio.Event()
        self.go_on.set()
        engine: Any = SimpleNamespace(work=SimpleNamespace(leftovers={}))
        self.engine = engine
        self.comparisons = Comparisons(engine, Config())
        monkeypatch.setattr(self.comparisons, "_look", self._look)
        monkeypatch.setattr(watch, "CONFIRM_S", 0)

    async def _look(self) -> Look:
        self.looked += 1
        await self.go_on.wait()
        found = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        return Look(tuple(found))


def repairs(monkeypatch: pytest.MonkeyPatch, result: str) -> list[str]:
    done: list[str] = []

    async def fake(engine: object, difference: Difference) -> str:
        done.append(difference.path)
        return result

    monkeypatch.setattr(repair, "repair", fake)
    return done


async def test_equal_comparisons_at_the_same_time_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(monkeypatch, [])
    node.go_on.clear()
    waiting = [asyncio.create_task(node.comparisons.compare()) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    node.go_on.set()
    await asyncio.gather(*waiting)

    assert node.looked == 1
    await node.comparisons.compare()
    assert node.looked == 2


async def test_what_only_one_look_finds_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(monkeypatch, [MOUNT, LOST], [LOST])

    found = await node.comparisons.compare()

    assert found.look.differences == (LOST,)
    assert node.engine.work.leftovers == {}


async def test_a_dry_run_repairs_nothing_and_counts_the_leftovers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = repairs(monkeypatch, repair.REPAIRED)
    node = Node(monkeypatch, [MOUNT, LOST])

    facts = (await node.comparisons.compare()).facts()

    assert [each["result"] for each in facts["differences"]] == ["", ""]
    assert node.engine.work.leftovers == {"mount": 1}
    assert done == []


async def test_a_repair_is_believed_when_a_look_finds_it_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = repairs(monkeypatch, repair.REPAIRED)
    node = Node(monkeypatch, [MOUNT, LOST], [MOUNT, LOST], [LOST])

    found = await node.comparisons.compare(repair=True)

    results = [each["result"] for each in found.facts()["differences"]]
    assert results == [repair.REPAIRED, "it is still there"]
    assert done == ["/m", "process 5"]
    assert found.left == [LOST]


async def test_an_error_of_a_repair_is_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    repairs(monkeypatch, "busy")
    node = Node(monkeypatch, [MOUNT])

    found = await node.comparisons.compare(repair=True)

    assert found.facts()["differences"][0]["result"] == "busy"
    assert node.engine.work.leftovers == {"mount": 1}


async def test_the_end_of_the_daemon_ends_a_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(monkeypatch, [])
    node.go_on.clear()
    running = asyncio.create_task(node.comparisons.compare())
    await asyncio.sleep(0)
    await node.comparisons.close()

    with pytest.raises(Unavailable):
        await running
