"""Steps: what runs now, how long it took, and when it is told."""

import logging
from contextvars import copy_context

import pytest

from cri_shim.activity import Operation, Step, Subject, step


@pytest.fixture
def operation() -> Operation:
    return Operation("RunPodSandbox", Subject("pod", "default/web", "4f0c1b2a3d4e5f"))


def within(operation: Operation, work) -> None:
    """Run `work` as a task of the operation would."""

    def run() -> None:
        step.enter(operation.root)
        work()

    copy_context().run(run)


def test_the_innermost_step_is_what_is_waited_for(operation) -> None:
    def work() -> None:
        with Step("network"), Step("CNI a ADD", "CNI plugin a, ADD of network n"):
            assert operation.waits_for == "CNI plugin a, ADD of network n"
        assert operation.waits_for == ""

    within(operation, work)


def test_only_a_step_without_inner_steps_counts_as_a_part(operation) -> None:
    def work() -> None:
        with Step("network"), Step("CNI a ADD"):
            pass
        with Step("shm"):
            pass

    within(operation, work)
    assert set(operation.parts) == {"CNI a ADD", "shm"}


def test_a_step_without_an_operation_is_only_timed(caplog) -> None:
    caplog.set_level(logging.DEBUG, step.log.name)
    with Step("crun start"):
        pass
    assert caplog.messages == ["crun start 0 ms"]


def test_a_step_of_an_ended_operation_belongs_to_none(operation) -> None:
    operation.open = False

    def work() -> None:
        with Step("late") as late:
            assert late.operation is None

    within(operation, work)
    assert operation.steps == []


def test_the_end_of_a_step_is_a_debug_line_with_the_object(operation, caplog) -> None:
    caplog.set_level(logging.DEBUG, step.log.name)

    def work() -> None:
        with pytest.raises(OSError), Step("CNI a ADD"):
            raise OSError

    within(operation, work)
    assert caplog.messages == ["pod default/web: CNI a ADD 0 ms, failed"]


def test_a_step_is_told_at_5_s_at_30_s_and_then_after_twice_the_time() -> None:
    late = Step("hook")
    told = [second for second in range(1, 200) if late.is_due(float(second))]
    assert told == [5, 30, 60, 120]


def test_a_step_that_progresses_is_told_when_nothing_comes_any_more() -> None:
    late = Step("layers", progress=lambda: min(int(now), 10))
    told = []
    for second in range(1, 20):
        now = float(second)
        if late.is_due(now):
            told.append(second)
    assert told == [15]


def test_a_step_that_waits_for_another_operation_is_not_told_but_shows_its_wait(operation) -> None:
    other = Step("RemoveContainer", on=operation)
    assert not other.is_due(1000.0)

    def work() -> None:
        with Step("kill", "its process to die"):
            assert other.waits_for == f"{operation}, its process to die"

    within(operation, work)
    assert other.waits_for == str(operation)


def test_two_operations_that_wait_for_each_other_have_a_finite_text() -> None:
    first, second = (Operation("A", Subject("pod", n)) for n in ("a", "b"))
    first.steps.append(Step("x", on=second))
    second.steps.append(Step("y", on=first))
    assert first.waits_for == "A of pod b, A of pod a"


def test_a_text_may_be_a_function_and_the_limit_is_shown() -> None:
    late = Step("layers", lambda: "3 layers", limit=120)
    assert (late.waits_for, late.lasted(7.2)) == ("3 layers", "7 s of 120 s")


def test_after_the_end_only_what_it_always_waited_for_is_known() -> None:
    other = Operation("StopContainer", Subject("container", "default/web/main"))
    assert Step("network", "the pod's network").fixed_text == "the pod's network"
    assert Step("layers", lambda: "3 layers").fixed_text == ""
    assert Step("queue", "a lock", on=other).fixed_text == str(other)


def test_a_step_knows_whether_an_error_ended_it() -> None:
    with pytest.raises(ValueError, match="no"), Step("network") as bad:
        raise ValueError("no")
    with Step("network") as good:
        pass
    assert (bad.failed, good.failed) == (True, False)
