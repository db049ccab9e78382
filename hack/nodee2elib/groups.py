"""The parts in which the suite is run: what each one selects, and how its kubelet is set up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# Not of this machine: benchmarks compare with figures of one kind of cloud machine.
_NEVER = "!Benchmark && !Flaky"


@dataclass(frozen=True, slots=True)
class Group:
    """`labels` is ginkgo's label filter; `gates` are switched for the kubelet and the suite."""

    name: str
    title: str
    labels: str
    focus: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    gates: Mapping[str, bool] = field(default_factory=dict)
    parallel: bool = True


GROUPS: Mapping[str, Group] = {
    group.name: group
    for group in (Group("conformance", "NodeConformance", f"NodeConformance && {_NEVER}"),)
}

NOT_RUN: Mapping[str, str] = {
    "benchmarks": "their limits are those of one kind of machine in a cloud",
    "graceful node shutdown": "needs systemd's login manager; a machine that runs systemd has it",
}
