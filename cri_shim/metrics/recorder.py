"""Counts calls, operations, steps and exits as they happen: plain numbers, a microsecond each."""

import time
from collections import Counter
from collections.abc import Callable

from cri_shim.activity import observing
from cri_shim.activity.caller import Caller
from cri_shim.activity.operation import Operation
from cri_shim.activity.step import Step
from cri_shim.metrics.declared import METRICS, STAGES
from cri_shim.metrics.histogram import Histograms
from cri_shim.objects import Record
from cri_shim.pb import state_pb2 as state

REASONS = ("Completed", "Error", "OOMKilled")
OTHER_REASON = "other"


class Recorder:
    """An observer of calls, operations and steps, and a follower of the objects.

    `oom_level(container)` returns the level of a kill for lack of memory.
    """

    def __init__(self, oom_level: Callable[[state.ContainerRecord], str]) -> None:
        self._oom_level = oom_level
        self.calls = _histograms("cri_shim_rpc_duration_seconds")
        self.operations = _histograms("cri_shim_operation_duration_seconds")
        self.stages = _histograms("cri_shim_stage_duration_seconds")
        self.programs = {
            "cni": _histograms("cri_shim_cni_duration_seconds"),
            "oci": _histograms("cri_shim_oci_duration_seconds"),
        }
        self.in_flight: Counter[str] = Counter()
        self.exits: Counter[str] = Counter()
        self.oom_kills: Counter[str] = Counter()

    # -- calls ------------------------------------------------------------------------------

    def call_began(self, call: Caller) -> None:
        self.in_flight[call.verb] += 1

    def call_ended(self, call: Caller, code: str) -> None:
        self.in_flight[call.verb] -= 1
        self.calls.observe((call.verb, code), time.monotonic() - call.began)

    # -- operations and steps ---------------------------------------------------------------

    def operation_began(self, operation: Operation) -> None:
        """The running operations are counted at a scrape."""

    def operation_ended(self, operation: Operation, error: BaseException | None) -> None:
        labels = operation.verb, observing.outcome_of(error)
        self.operations.observe(labels, time.monotonic() - operation.root.began)

    def step_began(self, step: Step) -> None:
        """A step is counted at its end."""

    def step_ended(self, step: Step, outcome: str) -> None:
        if step.counted is not None:
            family, name, verb = step.counted
            self.programs[family].observe((name, verb, outcome), step.ended - step.began)
        elif step.operation is not None and step.name in STAGES:
            self.stages.observe((step.operation.verb, step.name), step.ended - step.began)

    # -- objects ----------------------------------------------------------------------------

    def changed(self, before: Record | None, after: Record | None) -> None:
        """Count the end of a container."""
        if not isinstance(after, state.ContainerRecord) or not after.finished_at:
            return
        if isinstance(before, state.ContainerRecord) and before.finished_at:
            return
        self.exits[after.reason if after.reason in REASONS else OTHER_REASON] += 1
        if after.reason == "OOMKilled":
            self.oom_kills[self._oom_level(after)] += 1


def _histograms(name: str) -> Histograms:
    return Histograms(METRICS[name])
