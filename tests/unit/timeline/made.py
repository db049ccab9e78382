"""Operations with steps of known times, and entries, for the tests of timelines."""

from cri_shim.activity import Operation, Step, Subject
from cri_shim.timeline import Entry, Stage

POD_ID, CONTAINER_ID = "a" * 64, "c" * 64
POD = Subject("pod", "default/web", POD_ID, POD_ID)
CONTAINER = Subject("container", "default/web/main", CONTAINER_ID, POD_ID)


def operation(verb: str = "RunPodSandbox", subject: Subject = POD) -> Operation:
    """Return an open operation that began at 100 of the monotonic clock, at 1000 of the day's."""
    made = Operation(verb, subject)
    made.since, made.root.began = 1000.0, 100.0
    return made


def add(
    to: Operation, name: str, begin: float, end: float, outer: Step | None = None, text: str = ""
) -> Step:
    """Add a step of these seconds since the begin of the operation; it is open if `end` is 0."""
    step = Step(name, text)
    step.operation, step.outer = to, outer or to.root
    step.began, step.ended = 100.0 + begin, end and 100.0 + end
    (to.done if end else to.steps).append(step)
    return step


def end(operation: Operation, after: float, failure: str = "") -> Operation:
    operation.open, operation.root.ended, operation.failure = False, 100.0 + after, failure
    return operation


def entry(
    verb: str = "RunPodSandbox",
    begin: float = 0.0,
    seconds: float = 1.0,
    *stages: Stage,
    kind: str = "pod",
    name: str = "default/web",
    failure: str = "",
) -> Entry:
    return Entry(verb, kind, POD_ID, name, begin, seconds, failure=failure, stages=stages)
