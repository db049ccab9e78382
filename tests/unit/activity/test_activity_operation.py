"""An operation: its parts, its state for an error, its facts."""

import asyncio
import json

import pytest

from cri_shim.activity import Operation, Operations, Step, Subject
from cri_shim.activity.operation import MOST_DONE, MOST_PARTS, OTHERS


def operation() -> Operation:
    return Operation("RunPodSandbox", Subject("pod", "default/web", "4f0c1b2a3d4e5f"))


def ended(name: str, seconds: float) -> Step:
    step = Step(name)
    step.ended = seconds
    return step


def finish(operation: Operation, *steps: Step) -> None:
    for step in steps:
        operation.steps.append(step)
        operation.finished(step)


def test_the_longest_parts_come_first_and_equal_names_are_one_part() -> None:
    made = operation()
    finish(made, ended("shm", 0.002), ended("CNI a ADD", 3), ended("shm", 0.002))
    assert made.longest_parts() == "CNI a ADD 3000, shm 4"


def test_the_number_of_parts_is_bounded() -> None:
    made = operation()
    finish(made, *(ended(f"step {n}", 1) for n in range(MOST_PARTS + 10)))
    assert len(made.parts) == MOST_PARTS + 1
    assert made.parts[OTHERS] == 10


def test_steps_side_by_side_are_all_told_up_to_a_number() -> None:
    made = operation()
    made.steps += [Step(f"container {n}") for n in range(5)]
    assert made.waits_for == "container 0; container 1; container 2 and 2 more"


def test_an_error_says_since_when_and_what_is_waited_for() -> None:
    made = operation()
    assert made.progress().startswith("in progress since ")
    made.steps.append(Step("CNI plugin a", limit=120))
    assert "waiting for CNI plugin a (" in made.progress()
    assert made.progress().endswith(" of 120 s)")


def test_the_facts_are_json() -> None:
    made = operation()
    made.steps.append(Step("CNI plugin a", limit=120))
    facts = json.loads(json.dumps(made.facts()))
    assert facts["object"] == "pod default/web (4f0c1b2a3d4e)"
    assert facts["id"] == "4f0c1b2a3d4e5f"
    assert facts["waits"][0]["for"] == "CNI plugin a"


async def test_an_ended_operation_says_in_which_step_it_was_cancelled() -> None:
    all = Operations()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            with all.doing("SaveImage", Subject("image", "x")) as made:
                with Step("skopeo", "skopeo, writing x.tar"), Step("inner"):
                    await asyncio.Event().wait()
    all.close()

    assert made.progress().endswith(": waiting for inner (0 s)")
    assert list(made.steps) == []


def test_ended_steps_are_kept_up_to_a_number_and_the_others_counted() -> None:
    made = operation()
    finish(made, *(ended(f"step {n}", 1) for n in range(MOST_DONE + 10)))
    assert [step.name for step in made.done[:2]] == ["step 0", "step 1"]
    assert (len(made.done), made.not_kept) == (MOST_DONE, 10)
