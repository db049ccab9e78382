"""What becomes of the work when its caller gives up."""

from cri_shim.activity import Operation, Step, Subject
from cri_shim.activity.caller import Caller


def call() -> tuple[Caller, Operation]:
    operation = Operation("RunPodSandbox", Subject("pod", "default/web"))
    operation.steps.append(Step("CNI", "CNI plugin flaky"))
    return Caller(operation=operation), operation


def test_a_call_without_an_operation_says_nothing() -> None:
    assert Caller().outcome() == ""


def test_work_that_goes_on_is_told_with_what_it_waits_for() -> None:
    assert call()[0].outcome() == "; the work continues: CNI plugin flaky"


def test_work_that_nobody_waits_for_any_more_ends_with_the_call() -> None:
    waiting, operation = call()
    operation.abandoned = True
    assert waiting.outcome() == "; the work ends with it"
