"""The result of each spec: reads ginkgo's JSON report to plain values, and stores them as JSON."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["pass", "fail", "skip"]
Suite = Literal["critest", "crictl"]
REASON_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Spec:
    name: str
    state: State
    reason: str = ""  # of a failure, or why the spec skipped itself
    at: str = ""  # file:line of a failure
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of a suite. `combination` is its title, `versions` are the versions of its programs.

    `abandoned` are pods that still existed at the end: from specs that failed half-way, or that
    expect a refusal. `traces` are the leftovers on the node after their removal.
    """

    combination: str
    date: str
    versions: Mapping[str, str]
    exchanged_digest: bool
    seconds: float
    specs: Sequence[Spec]
    abandoned: Sequence[str] = ()
    traces: Sequence[str] = ()
    suite: Suite = "critest"  # "crictl": crictl's own tests
    features: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)  # of its OCI runtime

    def count(self, state: State) -> int:
        return sum(spec.state == state for spec in self.specs)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Outcome":
        fields = json.loads(text)
        fields["specs"] = [Spec(**spec) for spec in fields["specs"]]
        return cls(**fields)


def cut_dump(text: str) -> str:
    """The words without Go's dump of an error, as long as a table cell bears."""
    text = re.sub(r"Unexpected error: <.*?>: ", "", text).partition(" { s: ")[0]
    return text if len(text) <= REASON_CHARACTERS else text[:REASON_CHARACTERS] + " [...]"


def read_specs(report: str, cut: Callable[[str], str] = cut_dump) -> list[Spec]:
    """The specs of a ginkgo JSON report, without those that the focus left out, by name.

    `cut` makes a reason, in one line, as short as it has to be.
    """
    suites = json.loads(report)
    found = [_spec(entry, cut) for suite in suites for entry in suite["SpecReports"] or ()]
    return sorted((spec for spec in found if spec is not None), key=lambda spec: spec.name)


def _spec(entry: Mapping[str, Any], cut: Callable[[str], str]) -> Spec | None:
    failure = entry.get("Failure") or {}
    reason = " ".join(str(failure.get("Message", "")).split())
    failed = entry["State"] not in ("passed", "skipped", "pending")
    if entry["LeafNodeType"] != "It" and not failed:
        return None  # preparations of the suite
    if entry["State"] in ("skipped", "pending") and not reason:
        return None  # a filter excluded it
    name = " ".join([*(entry["ContainerHierarchyTexts"] or ()), entry["LeafNodeText"]])
    where = failure.get("Location") or {}
    state: State = "fail" if failed else "pass" if entry["State"] == "passed" else "skip"
    return Spec(
        name=name or str(entry["LeafNodeType"]),
        state=state,
        reason=cut(reason),
        at=f"{where['FileName'].rpartition('/')[2]}:{where['LineNumber']}" if failed else "",
        seconds=round(entry["RunTime"] / 1e9, 2),
    )
