"""An entry of a timeline: one operation on a pod, a container or an image, and its stages."""

from collections.abc import Iterable
from dataclasses import dataclass

Span = tuple[float, float]  # begin and end, in seconds

# The verbs of operations that have an entry: no commands, and no retries that may never end.
RUN_POD, PULL, CREATE, START = "RunPodSandbox", "PullImage", "CreateContainer", "StartContainer"
VERBS = frozenset(
    {RUN_POD, PULL, CREATE, START, "StopContainer", "RemoveContainer", "StopPodSandbox"}
    | {"RemovePodSandbox"}
)
FIRST_LINE = "first log line"  # no operation: from a container's start to its first output


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of an operation. `parent` is the index of the stage around it, which comes first.

    `begin` is in seconds since the begin of the operation.
    """

    name: str
    waited_for: str
    parent: int  # -1: none
    begin: float
    seconds: float
    failed: bool = False
    open: bool = False  # it has not ended

    @property
    def span(self) -> Span:
        return self.begin, self.begin + self.seconds


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation. `begin` is in seconds since the epoch, by the clock of the node."""

    verb: str
    kind: str  # pod, container or image
    id: str  # of its object, "" of an image
    name: str  # NAMESPACE/NAME of a pod, NAMESPACE/POD/NAME of a container, or a reference
    begin: float
    seconds: float
    failure: str = ""
    open: bool = False
    not_kept: int = 0  # stages that are left out
    stages: tuple[Stage, ...] = ()

    @property
    def span(self) -> Span:
        return self.begin, self.begin + self.seconds

    def own_seconds(self) -> list[float]:
        """Return the own time of the operation, then that of each stage."""
        inner: dict[int, list[Span]] = {}
        for stage in self.stages:
            inner.setdefault(stage.parent, []).append(stage.span)
        whole = [(-1, self.seconds), *((n, one.seconds) for n, one in enumerate(self.stages))]
        return [max(0.0, seconds - union(inner.get(n, ()))) for n, seconds in whole]


def pod_name(entries: Iterable[Entry]) -> str:
    """Return NAMESPACE/NAME of the pod of a timeline; "" if it has images only."""
    for entry in entries:
        if entry.kind == "pod":
            return entry.name
        if entry.kind == "container":
            return entry.name.rpartition("/")[0]
    return ""


def latest(entries: Iterable[Entry]) -> list[Entry]:
    """Return the last entry of each operation: one that lasts long has several."""
    found: dict[tuple[str, str, int], Entry] = {}
    for entry in entries:
        found[entry.verb, entry.name, round(entry.begin * 1e6)] = entry
    return list(found.values())


def union(spans: Iterable[Span]) -> float:
    """Return the seconds that the spans cover together."""
    covered, until = 0.0, float("-inf")
    for begin, end in sorted(spans):
        covered += max(0.0, end - max(begin, until))
        until = max(until, end)
    return covered
