"""Observers hear of calls, operations and steps, with their outcome."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cri_shim.activity import Operations, Step, Subject, observing
from cri_shim.activity.caller import Caller
from cri_shim.activity.joining import task_of
from cri_shim.activity.operation import Operation

POD = Subject("pod", "default/web", "4f0c1b2a3d4e5f")


class Spy:
    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []

    def call_began(self, call: Caller) -> None:
        self.heard.append(("call", call.verb))

    def call_ended(self, call: Caller, code: str) -> None:
        self.heard.append(("call ended", call.verb, code))

    def operation_began(self, operation: Operation) -> None:
        self.heard.append(("operation", operation.verb))

    def operation_ended(self, operation: Operation, error: BaseException | None) -> None:
        self.heard.append(("operation ended", operation.verb, observing.outcome_of(error)))

    def step_began(self, step: Step) -> None:
        self.heard.append(("step", step.name))

    def step_ended(self, step: Step, outcome: str) -> None:
        self.heard.append(("step ended", step.name, outcome))


@contextmanager
def spying() -> Iterator[Spy]:
    spy = Spy()
    stop = observing.observe(spy)
    yield spy
    stop()


async def test_an_operation_and_its_step_are_heard_in_order() -> None:
    operations = Operations()
    with spying() as spy, operations.doing("RunPodSandbox", POD), Step("network"):
        pass
    operations.close()

    assert spy.heard == [
        ("operation", "RunPodSandbox"),
        ("step", "network"),
        ("step ended", "network", "ok"),
        ("operation ended", "RunPodSandbox", "ok"),
    ]


async def test_a_failure_is_the_outcome_of_the_step_and_of_the_operation() -> None:
    operations = Operations()
    with spying() as spy, pytest.raises(OSError, match="full"):
        with operations.doing("RunPodSandbox", POD), Step("network"):
            raise OSError("full")
    operations.close()

    assert spy.heard[2:] == [
        ("step ended", "network", "failed"),
        ("operation ended", "RunPodSandbox", "failed"),
    ]


def test_a_program_that_failed_without_an_exception_is_a_failure() -> None:
    with spying() as spy, Step("crun kill") as step:
        step.failed = True

    assert spy.heard[-1] == ("step ended", "crun kill", "failed")


async def test_a_task_that_is_cancelled_is_an_operation_that_is_cancelled() -> None:
    operations = Operations()
    with spying() as spy:
        operation = operations.begin("PullImage", POD)
        task = task_of(operations, operation, asyncio.sleep(60), "a pull")
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    operations.close()

    assert spy.heard[-1] == ("operation ended", "PullImage", "cancelled")


def test_an_observer_that_has_stopped_hears_nothing() -> None:
    with spying() as spy:
        pass
    with Step("network"):
        pass

    assert spy.heard == []
    assert observing.observers == ()
