"""The result of a run, as plain values and as JSON."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hack.critestlib.outcome import Spec, State

_NONE = Spec("", "skip")
_BEFORE = "an earlier spec in an ordered container failed"


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `traces` are the leftovers on the machine after the end.

    `again` are specs that failed, and passed when they were run a second time by themselves.
    `selected` is the number of specs of the group, also of those that a run ended early has not
    decided; 0 if it is not known.
    """

    group: str
    runtime: str
    date: str
    versions: Mapping[str, str]
    machine: str
    processes: int
    seconds: float
    specs: Sequence[Spec]
    traces: Sequence[str] = ()
    again: Sequence[str] = ()
    selected: int = 0

    def undone(self) -> int:
        """The number of specs that the run was ended before."""
        return max(self.selected - len(self.specs), 0)

    def count(self, state: State) -> int:
        return sum(spec.state == state for spec in self.specs)

    def undecided(self) -> list[str]:
        """The specs that failed, and those that were skipped because one before them did."""
        return [spec.name for spec in self.specs if spec.state == "fail" or _BEFORE in spec.reason]

    def with_second_try(self, later: "Run") -> "Run":
        """This run with what a later one of its undecided specs found out."""
        second = {spec.name: spec for spec in later.specs}
        specs = tuple(second.get(spec.name, spec) for spec in self.specs)
        passed = [name for name in self.undecided() if second.get(name, _NONE).state == "pass"]
        return replace(
            self,
            specs=specs,
            again=(*self.again, *passed),
            traces=(*self.traces, *later.traces),
        )

    def continued(self, later: "Run") -> "Run":
        """This run with the outcomes of a later one of the specs that it was ended before."""
        return replace(
            self,
            date=later.date,
            versions={
                name: version if version == before else f"{before}, then {version}"
                for name, version in later.versions.items()
                for before in [self.versions[name]]
            },
            seconds=round(self.seconds + later.seconds, 1),
            specs=(*self.specs, *later.specs),
            traces=(*self.traces, *later.traces),
        )

    def to_json(self) -> str:
        """One line for each spec, so that two runs can be compared by their lines."""
        fields = asdict(self)
        lines = ",\n".join(json.dumps(_given(spec)) for spec in fields.pop("specs"))
        return f'{json.dumps(fields, indent=1)[:-2]},\n "specs": [\n{lines}\n]}}\n'

    @classmethod
    def from_json(cls, text: str) -> "Run":
        fields = json.loads(text)
        fields["specs"] = tuple(Spec(**spec) for spec in fields["specs"])
        for name in ("traces", "again"):
            fields[name] = tuple(fields.get(name, ()))
        return cls(**fields)


def _given(spec: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in spec.items() if value}


def machine() -> str:
    """Return the machine in one line: processors, memory, cgroups, distribution."""
    memory = int(Path("/proc/meminfo").read_text().split()[1]) >> 20
    v2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    release = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text().splitlines()
        if "=" in line
    )
    name = release.get("PRETTY_NAME", "Linux").strip('"')
    return f"{name}, {os.cpu_count()} CPUs, {memory} GiB, cgroup {'v2' if v2 else 'v1'}"
