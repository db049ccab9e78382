"""What became of a run, as plain values, and these as JSON."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hack.critestlib.outcome import Spec, State


@dataclass(frozen=True, slots=True)
class Run:
    """`traces` is what was left on the machine when everything had ended."""

    group: str
    runtime: str
    date: str
    versions: Mapping[str, str]
    machine: str
    processes: int
    seconds: float
    specs: Sequence[Spec]
    traces: Sequence[str] = ()

    def count(self, state: State) -> int:
        return sum(spec.state == state for spec in self.specs)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Run":
        fields = json.loads(text)
        fields["specs"] = tuple(Spec(**spec) for spec in fields["specs"])
        fields["traces"] = tuple(fields["traces"])
        return cls(**fields)


def machine() -> str:
    """The machine in one line: processors, memory, control groups, distribution."""
    memory = int(Path("/proc/meminfo").read_text().split()[1]) >> 20
    v2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    release = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text().splitlines()
        if "=" in line
    )
    name = release.get("PRETTY_NAME", "Linux").strip('"')
    return f"{name}, {os.cpu_count()} CPUs, {memory} GiB, cgroup {'v2' if v2 else 'v1'}"
