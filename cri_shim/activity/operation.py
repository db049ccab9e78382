"""One verb on one object: its open steps, and the time that its ended steps took."""

import time
from typing import Any

from cri_shim.activity.request import request_id
from cri_shim.activity.step import Step
from cri_shim.activity.subject import Subject

MOST_PARTS = 32  # different names of steps whose time is kept; the others have one sum
OTHERS = "others"
MOST_DONE = 100  # ended steps that are kept until the end of the operation
SHOWN_WAITS = 3  # of the steps that run side by side
SHOWN_PARTS = 6  # of the steps that took longest, in the line of a slow call


class Operation:
    """`subject` may be replaced when more is known of the object.

    `done` has the ended steps, in the order of their ends, for those who follow the operations.
    """

    __slots__ = (
        "abandoned", "asked_by", "cut_off", "done", "failure", "not_kept", "open", "parts",
        "request_id", "root", "since", "span", "steps", "subject", "verb",
    )  # fmt: skip

    def __init__(self, verb: str, subject: Subject) -> None:
        self.verb = verb
        self.subject = subject
        self.since = time.time()
        self.open = True
        self.abandoned = False  # it is being cancelled: no caller waits for it any more
        self.cut_off = ""  # what it waited for when it was cancelled
        self.failure = ""  # the error that ended it
        self.asked_by: list[str] = []  # NAMESPACE/NAME of pods, if its object is an image
        self.done: list[Step] = []
        self.not_kept = 0  # ended steps that are not in `done`
        self.steps: list[Step] = []  # the open ones, in the order of their beginning
        self.parts: dict[str, float] = {}  # name of an ended step without inner ones -> seconds
        self.request_id = request_id.get()  # of the call that began it
        self.span: object = None  # of the tracing
        self.root = Step(verb)
        self.root.operation = self
        self.root.began = self.root.moved = time.monotonic()

    def __str__(self) -> str:
        return f"{self.verb} of {self.subject}"

    def finished(self, step: Step) -> None:
        """Note the end of a step of this operation."""
        self.steps.remove(step)
        if not step.inner:
            known = step.name in self.parts or len(self.parts) < MOST_PARTS
            name = step.name if known else OTHERS
            self.parts[name] = self.parts.get(name, 0.0) + step.ended - step.began
        if len(self.done) < MOST_DONE:
            self.done.append(step)
        else:
            self.not_kept += 1

    def innermost(self) -> list[Step]:
        """Return the open steps that have no open step inside; they run side by side."""
        return [step for step in self.steps if not step.open_inside]

    def age(self) -> float:
        """Return the seconds since its beginning."""
        return time.monotonic() - self.root.began

    @property
    def waits_for(self) -> str:
        """Return what is waited for now; "" between two steps."""
        texts = list(dict.fromkeys(step.waits_for for step in self.innermost()))
        more = f" and {len(texts) - SHOWN_WAITS} more" if len(texts) > SHOWN_WAITS else ""
        return "; ".join(texts[:SHOWN_WAITS]) + more

    def progress(self) -> str:
        """Return the state for an error: `in progress since 10:00:00: waiting for ...`."""
        since = f"in progress since {time.strftime('%H:%M:%S', time.localtime(self.since))}"
        innermost = self.innermost()
        if not innermost:
            return since if self.open or not self.cut_off else f"{since}: {self.cut_off}"
        return f"{since}: {self._waiting(innermost[-1])}"

    def cancelled_in(self, step: Step) -> None:
        """Note that it is cancelled in this step, for the caller whose deadline was the reason."""
        self.cut_off = self.cut_off or self._waiting(step)

    def _waiting(self, step: Step) -> str:
        return f"waiting for {self.waits_for} ({step.lasted(time.monotonic())})"

    def longest_parts(self) -> str:
        """Return the steps that took longest, in milliseconds: `CNI flaky ADD 3031, shm 2`."""
        longest = sorted(self.parts.items(), key=lambda part: part[1], reverse=True)
        return ", ".join(f"{name} {spent * 1000:.0f}" for name, spent in longest[:SHOWN_PARTS])

    def facts(self) -> dict[str, Any]:
        """Return the operation for `info` and the verbose status, JSON-able."""
        now = time.monotonic()
        waits = [
            {
                "for": step.waits_for,
                "seconds": round(now - step.began, 1),
                "limit": None if step.limit is None else round(step.limit, 1),
            }
            for step in self.innermost()
        ]
        return {
            "verb": self.verb,
            "object": str(self.subject),
            "id": self.subject.id,
            "since": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self.since)),
            "seconds": round(now - self.root.began, 1),
            "waits": waits,
        }
