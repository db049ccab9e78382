"""Ended operations are written later, in the files of their pods; a bad disk loses only them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cri_shim.activity import Operations, Step, Subject, step
from cri_shim.activity.joining import task_of
from cri_shim.timeline import Entry, Timelines, facts, first_lines, timelines
from cri_shim.timeline.entry import FIRST_LINE
from cri_shim.timeline.lines import INTERRUPTED
from tests.unit.timeline.made import CONTAINER, CONTAINER_ID, POD, POD_ID, entry

IMAGE = Subject("image", "docker.io/library/busybox")


async def no_line(_: str) -> None:
    """Find no line in any log."""


def nobody(_: str) -> None:
    """Know no pod by its name."""


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Timelines]:
    made = Timelines(tmp_path / "t", {"default/web": POD_ID}.get, no_line)
    yield made
    await made.close()


@pytest.fixture
def operations(kept: Timelines) -> Operations:
    made = Operations()
    made.follow(kept.note)
    return made


async def work(operations: Operations, verb: str, subject: Subject, error: str = "") -> None:
    """Run an operation with one step in another."""

    async def do() -> None:
        with Step("outer"), Step("inner", "what it waits for"):
            await asyncio.sleep(0)
            if error:
                raise ValueError(error)

    task = task_of(operations, operations.begin(verb, subject), do(), verb)
    await asyncio.wait({task})
    await asyncio.sleep(0)
    operations.close()


async def test_the_operations_of_a_pod_and_its_containers_are_kept(
    kept: Timelines, operations: Operations
) -> None:
    await work(operations, "RunPodSandbox", POD)
    await work(operations, "CreateContainer", CONTAINER)
    found = await kept.of(POD_ID)
    assert [each.verb for each in found] == ["RunPodSandbox", "CreateContainer"]
    stages = [(stage.name, stage.parent, stage.waited_for) for stage in found[0].stages]
    assert stages == [("outer", -1, ""), ("inner", 0, "what it waits for")]
    assert await kept.names() == {POD_ID: "default/web"}


async def test_a_pull_is_in_the_timeline_of_the_pods_that_asked(
    kept: Timelines, operations: Operations
) -> None:
    operation = operations.begin("PullImage", IMAGE)
    operation.asked_by = ["default/web", "default/unknown"]
    operations.end(operation)
    operations.close()
    assert [each.name for each in await kept.of(POD_ID)] == [IMAGE.name]


async def test_a_failure_has_its_error_and_the_stage_that_failed(
    kept: Timelines, operations: Operations
) -> None:
    await work(operations, "RunPodSandbox", POD, "no address is free")
    (found,) = await kept.of(POD_ID)
    assert found.failure == "no address is free"
    assert [stage.failed for stage in found.stages] == [True, True]


@pytest.mark.parametrize(
    ("verb", "subject"),
    [("ExecSync", CONTAINER), ("retry", POD), ("RunPodSandbox", Subject("pod", "default/web"))],
)
async def test_commands_retries_and_pods_without_an_id_are_not_kept(
    kept: Timelines, operations: Operations, tmp_path: Path, verb: str, subject: Subject
) -> None:
    await work(operations, verb, subject)
    await kept.flush()
    assert not (tmp_path / "t").exists()


async def test_it_is_written_without_a_reader(
    kept: Timelines, operations: Operations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timelines, "FLUSH_S", 0.0)
    await work(operations, "RunPodSandbox", POD)
    async with asyncio.timeout(30):
        while not (tmp_path / "t" / POD_ID).exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_end_of_the_daemon_writes_what_waits(
    kept: Timelines, operations: Operations, tmp_path: Path
) -> None:
    await work(operations, "RunPodSandbox", POD)
    await kept.close()
    later = Timelines(tmp_path / "t", nobody, no_line)
    assert len(await later.of(POD_ID)) == 1


async def test_operations_that_cannot_be_written_are_one_warning(
    kept: Timelines,
    operations: Operations,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "t").write_text("a file is in the way")
    for _ in range(3):
        await work(operations, "RunPodSandbox", POD)
        await kept.flush()
    assert await kept.of(POD_ID) == []
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert "cannot be written" in caplog.text
    (tmp_path / "t").unlink()
    await work(operations, "RunPodSandbox", POD)
    assert len(await kept.of(POD_ID)) == 1


async def test_the_number_of_operations_that_wait_is_bounded(
    kept: Timelines, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timelines, "MOST_WAITING", 3)
    for _ in range(5):
        await work(operations, "RunPodSandbox", POD)
    assert len(await kept.of(POD_ID)) == 3


async def test_an_operation_that_lasts_long_is_there_after_the_death_of_the_daemon(
    kept: Timelines, operations: Operations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = operations.begin("RunPodSandbox", POD)
    step.enter(operation.root)
    with Step("network", "the pod's network"):
        kept.note(operation)
        await kept.flush()
        assert not (tmp_path / "t").exists()
        operation.root.began -= timelines.OPEN_S
        for _ in range(3):
            kept.note(operation)
        await kept.flush()
        lines = (tmp_path / "t" / POD_ID).read_bytes().split(b"\n")
        assert len([line for line in lines if line]) == 1
        (found,) = await Timelines(tmp_path / "t", nobody, no_line).of(POD_ID)
    step.enter(None)
    assert (found.failure, found.open) == (INTERRUPTED, False)
    assert [(stage.name, stage.failed) for stage in found.stages] == [("network", True)]

    operations.end(operation)
    operations.close()
    (found,) = await kept.of(POD_ID)
    assert (found.failure, found.stages[0].failed) == ("", False)


async def test_the_first_line_of_a_started_container_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_lines, "PAUSES_S", (0.0, 0.0))
    looks: list[str] = []

    async def look(id: str) -> Entry | None:
        looks.append(id)
        return entry(FIRST_LINE, kind="container", name=CONTAINER.name) if looks[1:] else None

    made, operations = Timelines(tmp_path / "t", nobody, look), Operations()
    operations.follow(made.note)
    await work(operations, "StartContainer", CONTAINER, "no such program")
    await work(operations, "StartContainer", CONTAINER)
    async with asyncio.timeout(30):
        while len(found := await made.of(POD_ID)) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert looks == [CONTAINER_ID, CONTAINER_ID]
    assert found[2].verb == FIRST_LINE
    await made.close()


async def test_the_slowest_pods_come_first(kept: Timelines, operations: Operations) -> None:
    for number in (1, 2, 3):
        id = f"{number:064x}"
        operation = operations.begin("RunPodSandbox", Subject("pod", f"default/{number}", id, id))
        operation.root.began -= number
        operations.end(operation)
    operations.close()
    found = await kept.slowest(facts.start_seconds, 2)
    assert [entries[0].name for entries in found.values()] == ["default/3", "default/2"]
