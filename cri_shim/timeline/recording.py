"""An operation, ended or still open, becomes an entry. Done in a thread, after its end."""

from cri_shim.activity import Operation, Step
from cri_shim.timeline.entry import Entry, Stage
from cri_shim.untrusted import one_line

LONGEST_NAME = 80  # characters of a stage's name
LONGEST = 240  # characters of any other text; a pod's and a container's name fit


def entry(operation: Operation, now: float) -> Entry:
    """Return the entry; `now` is of the monotonic clock, for what has not ended."""
    root, subject = operation.root, operation.subject
    steps = [*operation.done, *operation.steps]
    end = now if operation.open else root.ended
    return Entry(
        verb=operation.verb,
        kind=subject.kind,
        id=subject.id,
        name=one_line(subject.name, LONGEST),
        begin=operation.since,
        seconds=end - root.began,
        failure=one_line(operation.failure, LONGEST),
        open=operation.open,
        not_kept=operation.not_kept,
        stages=_stages(root, steps, end),
    )


def _stages(root: Step, steps: list[Step], end: float) -> tuple[Stage, ...]:
    """Return the steps as a tree: each after the one around it, by their begin."""
    known, inner = set(steps), dict[Step, list[Step]]()
    for step in sorted(steps, key=lambda step: step.began):
        inner.setdefault(_around(step, known, root), []).append(step)
    stages: list[Stage] = []
    waiting = [(step, -1) for step in reversed(inner.get(root, []))]
    while waiting:
        step, parent = waiting.pop()
        waiting += [(each, len(stages)) for each in reversed(inner.get(step, []))]
        stages.append(_stage(step, parent, root.began, end))
    return tuple(stages)


def _around(step: Step, known: set[Step], root: Step) -> Step:
    """Return the next step around this one that has a stage; `root` if there is none."""
    outer = step.outer
    while outer is not None and outer not in known and outer is not root:
        outer = outer.outer
    return root if outer is None else outer


def _stage(step: Step, parent: int, origin: float, end: float) -> Stage:
    open = not step.ended  # of an ended operation: it went on in the background
    return Stage(
        name=one_line(step.name, LONGEST_NAME),
        waited_for=one_line(step.waits_for if open else step.fixed_text, LONGEST),
        parent=parent,
        begin=step.began - origin,
        seconds=max(0.0, (end if open else step.ended) - step.began),
        failed=step.failed,
        open=open,
    )
