"""One run of one group: the command line of the suite, and its report."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.clusterlib.place import Place
from hack.critestlib.outcome import Spec, read_specs
from hack.nodee2elib import machine, node
from hack.nodee2elib.groups import Group
from hack.nodee2elib.runtimes import Runtime

LIMIT = "4h"  # as ginkgo writes it
_FROM_START, _FROM_END = 150, 250
_REASON = _FROM_START + _FROM_END  # characters
_PROGRAMS = ("e2e_node.test", "kubelet")


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected part of a group; `logs` is the directory of output, reports and logs."""

    group: Group
    processes: int
    logs: Path
    focus: Sequence[str] = ()
    skip: Sequence[str] = ()
    limit: str = LIMIT


def run(place: Place, runtime: Runtime, selection: Selection) -> tuple[list[Spec], int]:
    """Run the suite on the node that runs in `place`; return outcomes and the number selected.

    RuntimeError if there is no report.
    """
    for name in _PROGRAMS:  # the suite works in the directory of its program
        (place / "suite" / name).symlink_to(place.programs / name)
    (place / "suite/kubelet.yaml").write_text(json.dumps(node.configuration(place)))
    words = selection.logs / "suite.log"
    with words.open("wb") as out:
        done = subprocess.run(
            node.entering(place, command(place, selection)),
            env=_environment(place, runtime),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    report = selection.logs / "report.json"
    if not report.exists():
        raise RuntimeError(f"the suite ended with {done.returncode} and without a report: {words}")
    return read(report.read_text())


def read(report: str) -> tuple[list[Spec], int]:
    """Return the decided specs of a ginkgo report, and how many were selected."""
    suites = json.loads(report)
    for suite in suites:
        entries = suite["SpecReports"] or ()
        suite["SpecReports"] = [entry for entry in entries if not _was_cut_short(entry)]
    selected = sum(suite["PreRunStats"]["SpecsThatWillRun"] for suite in suites)
    return read_specs(json.dumps(suites), _both_ends), selected


def _was_cut_short(entry: Mapping[str, Any]) -> bool:
    """Whether the end of the run, by a signal or by its limit, came before the spec's outcome."""
    problem = str((entry.get("Failure") or {}).get("Message", ""))
    return bool(entry["State"] == "interrupted") or problem.startswith("A suite timeout occurred")


def _both_ends(text: str) -> str:
    """The object of an assertion and its problem; a whole pod may be printed between them."""
    return text if len(text) <= _REASON else f"{text[:_FROM_START]} [...] {text[-_FROM_END:]}"


def _environment(place: Place, runtime: Runtime) -> dict[str, str]:
    env = node.environment(place, runtime)
    return env | {"PATH": f"{place / 'bin'}:{env['PATH']}", "HOME": str(place / "suite")}


def command(place: Place, selection: Selection) -> list[str]:
    """Return ginkgo's command line, then the suite's own flags."""
    group, logs = selection.group, selection.logs.resolve()
    words = [
        str(place.programs / "ginkgo"),
        f"--procs={selection.processes}",
        f"--label-filter={group.labels}",
        *(f"--focus={pattern}" for pattern in selection.focus or group.focus),
        *(f"--skip={pattern}" for pattern in (*group.skip, *selection.skip)),
        f"--timeout={selection.limit}",
        "--no-color",
        f"--output-dir={logs}",
        "--json-report=report.json",
        "--junit-report=junit.xml",
        str(place / "suite/e2e_node.test"),
        "--",
        f"--container-runtime-endpoint=unix://{place.socket}",
        f"--container-runtime-pid-file={place.pid_file('runtime')}",
        "--prepull-images=false",
        f"--report-dir={logs}",
        f"--node-name={machine.HOSTNAME}",
        "--kubelet-config-file=kubelet.yaml",
        "--server-start-timeout=5m",
    ]
    if group.proxy:
        words.append("--cri-proxy-enabled")
    if group.gates:
        gates = ",".join(f"{name}={str(on).lower()}" for name, on in group.gates.items())
        words.append(f"--feature-gates={gates}")
    return words
