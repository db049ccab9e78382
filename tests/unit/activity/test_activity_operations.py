"""The list of operations, and the sweep that tells of late steps."""

import asyncio
import logging

import pytest

from cri_shim.activity import Operation, Operations, Step, Subject, caller, operations, step
from cri_shim.activity.request import request_id
from tests.fixtures.waiting import until

POD = Subject("pod", "default/hang", "4f0c1b2a3d4e5f")


async def told(monkeypatch: pytest.MonkeyPatch, all: Operations, made: Step) -> None:
    """Return after sweeps of which one finds the step late."""
    monkeypatch.setattr(operations, "SWEEP_S", 0.001)
    made.moved -= 6
    made.began -= 6
    with all.doing("other", Subject("pod", "b")):  # starts the sweep, if none runs
        await until(lambda: made.told)


async def test_a_late_step_is_one_warning_and_its_end_an_info(monkeypatch, caplog) -> None:
    caplog.set_level(logging.INFO, step.log.name)
    monkeypatch.setattr(operations, "SWEEP_S", 0.001)
    all = Operations()
    with all.doing("RunPodSandbox", POD):
        with Step("CNI", "CNI plugin flaky, ADD of network n", limit=120) as late:
            await told(monkeypatch, all, late)
            await asyncio.sleep(0.01)
    all.close()
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        (
            "WARNING",
            "pod default/hang (4f0c1b2a3d4e): still waiting for CNI plugin flaky, ADD of network n"
            " (RunPodSandbox, 6 s of 120 s)",
        ),
        (
            "INFO",
            "pod default/hang (4f0c1b2a3d4e): CNI plugin flaky, ADD of network n ended after 6 s",
        ),
    ]


async def test_an_expected_wait_is_told_at_info(monkeypatch, caplog) -> None:
    caplog.set_level(logging.INFO, step.log.name)
    monkeypatch.setattr(operations, "SWEEP_S", 0.001)
    all = Operations()
    with all.doing("StopContainer", POD), Step("grace period", limit=30, expected=True) as late:
        await told(monkeypatch, all, late)
    all.close()
    assert {r.levelname for r in caplog.records} == {"INFO"}


async def test_an_operation_between_two_steps_is_told_too(monkeypatch, caplog) -> None:
    monkeypatch.setattr(operations, "SWEEP_S", 0.001)
    all = Operations()
    with all.doing("RunPodSandbox", POD) as operation:
        await told(monkeypatch, all, operation.root)
    all.close()
    assert "still running (RunPodSandbox, 6 s)" in caplog.text


async def test_no_timer_runs_while_nothing_is_in_hand(monkeypatch) -> None:
    monkeypatch.setattr(operations, "SWEEP_S", 0.001)
    all = Operations()
    with all.doing("RunPodSandbox", POD):
        pass
    await until(lambda: all._timer is None)


async def test_operations_are_found_by_the_id_of_their_object() -> None:
    all = Operations()
    with all.doing("RunPodSandbox", POD) as operation:
        assert all.on(POD.id) == [operation]
        assert all.waits_for(POD.id).startswith(": in progress since ")
        assert [fact["verb"] for fact in all.facts()] == ["RunPodSandbox"]
    assert (all.on(POD.id), all.waits_for(POD.id), all.facts()) == ([], "", [])
    all.close()


async def test_a_warning_has_the_id_of_the_request_that_began_the_operation(monkeypatch) -> None:
    """The timer of the sweep belongs to the operation that started it, which may be another."""
    ids: list[str] = []
    monkeypatch.setattr(step.log, "log", lambda *words: ids.append(request_id.get()))
    all = Operations()
    request_id.set("call-1")
    with all.doing("RunPodSandbox", POD) as first:
        request_id.set("call-2")
        with all.doing("StopContainer", Subject("container", "c")) as second:
            first.root.moved -= 6
            second.root.moved -= 6
            all._look()
    all.close()

    assert ids == ["call-1", "call-2"]


async def test_an_operation_that_serves_a_call_is_what_its_caller_waits_for() -> None:
    all, call = Operations(), caller.Caller()
    caller.enter(call)
    with all.serving("LoadImage", Subject("archive", "/x.tar")) as operation:
        assert list(all) == [operation]
        assert call.operation is operation
    assert call.outcome() == "; the work ends with it"
    all.close()


async def test_a_follower_gets_each_operation_at_its_end() -> None:
    all, seen = Operations(), list[Operation]()
    all.follow(seen.append)
    first, second = all.begin("RunPodSandbox", POD), all.begin("PullImage", POD)
    all.end(second, ValueError("no such image"))
    assert seen == [second]
    assert (second.open, second.failure) == (False, "no such image")
    assert second.root.ended >= second.root.began > 0
    all.end(first)
    assert seen == [second, first]
    all.close()


async def test_a_follower_gets_an_open_operation_again_and_again(monkeypatch) -> None:
    monkeypatch.setattr(operations, "SWEEP_S", 0.001)
    all, seen = Operations(), list[Operation]()
    all.follow(seen.append)
    with all.doing("RunPodSandbox", POD) as operation:
        await until(lambda: len(seen) > 2)
        assert operation.open
    assert set(seen) == {operation}
    all.close()
