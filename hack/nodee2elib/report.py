"""Writes docs/node-e2e.md from outcomes: numbers, comparison, failures, skips, every spec."""

from collections.abc import Iterator, Sequence

from hack.critestlib.outcome import State
from hack.nodee2elib.causes import cause
from hack.nodee2elib.groups import GROUPS, NOT_RUN
from hack.nodee2elib.record import Run

_SIGN = {"pass": "pass", "fail": "**FAIL**", "skip": "skip"}

_HEAD = """# The node e2e suite of Kubernetes

Written by `hack/node-e2e`; do not edit. The suite starts an API server and a real kubelet, and
makes pods. It runs in namespaces of its own. The images it asks for are replaced by stand-ins:
Debian's programs, and agnhost and the device plugin built from the published sources. Where a spec
changes the kubelet's configuration, a stand-in for systemd stops and starts the kubelet.
"""


def text(runs: Sequence[Run]) -> str:
    """Return the whole page."""
    parts = [
        _HEAD,
        "## Runs\n",
        *_table(runs),
        "\n## Beside containerd\n",
        *_beside(runs),
        "\n## Failed\n",
        *(_failed(runs) or ["None."]),
        "\n## Passed when run again\n",
        *(_again(runs) or ["None."]),
        "\n## Skipped themselves\n",
        *(_skipped(runs) or ["None."]),
        "\n## Not run\n",
        *(f"- {what}: {why}" for what, why in NOT_RUN.items()),
        *(f"- {title}: no outcome is stored" for title in _without_run(runs)),
        *(
            f"- {GROUPS[run.group].title}, {run.runtime}: the run was ended before {run.undone()} "
            f"of its {run.selected} specs"
            for run in runs
            if run.undone()
        ),
        "\n## Left behind\n",
        *([f"- {trace}" for run in runs for trace in run.traces] or ["Nothing, in any run."]),
        "\n## Every spec\n",
        *_every(runs),
    ]
    return "\n".join(parts) + "\n"


def _table(runs: Sequence[Run]) -> Iterator[str]:
    yield "| group | runtime | date | at a time | pass | fail | skip | seconds |"
    yield "|---|---|---|---|---|---|---|---|"
    for run in runs:
        title = GROUPS[run.group].title
        counts = " | ".join(str(run.count(state)) for state in ("pass", "fail", "skip"))
        yield (
            f"| {title} | {run.runtime} | {run.date} | {run.processes} | {counts} "
            f"| {run.seconds:.0f} |"
        )
    yield "\nWith:\n"
    told = [f"{run.machine}; {_versions(run)}" for run in runs]
    yield from (f"- {line}" for line in dict.fromkeys(told))


def _without_run(runs: Sequence[Run]) -> list[str]:
    """The titles of the groups that were not run, or not to their end."""
    run_groups = {run.group for run in runs}
    return [group.title for name, group in GROUPS.items() if name not in run_groups]


def _versions(run: Run) -> str:
    return ", ".join(f"{name} {version}" for name, version in run.versions.items())


def _beside(runs: Sequence[Run]) -> Iterator[str]:
    """Yield the specs that pass with one runtime and fail with the other, in the groups of both."""
    groups = [group for group in GROUPS if {"cri-shim", "containerd"} <= _runtimes(runs, group)]
    if not groups:
        yield "No group was run with containerd."
        return
    yield "Compared: " + ", ".join(GROUPS[group].title for group in groups) + "."
    for winner, loser in (("containerd", "cri-shim"), ("cri-shim", "containerd")):
        found = [
            f"- `{name}`" for group in groups for name in _differing(runs, group, winner, loser)
        ]
        yield f"\nPass with {winner} and fail with {loser}:\n"
        yield from found or ["None."]


def _runtimes(runs: Sequence[Run], group: str) -> set[str]:
    return {run.runtime for run in runs if run.group == group}


def _differing(runs: Sequence[Run], group: str, winner: str, loser: str) -> list[str]:
    states = {
        run.runtime: {spec.name: spec.state for spec in run.specs}
        for run in runs
        if run.group == group
    }
    passed = [name for name, state in states[winner].items() if state == "pass"]
    return [name for name in passed if states[loser].get(name) == "fail"]


def _failed(runs: Sequence[Run]) -> list[str]:
    """Return the failed specs, grouped by cause, with the runtimes and the suite's message."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for run in runs:
        for spec in run.specs:
            if spec.state == "fail":
                said = f"{spec.reason} ({spec.at})"
                of_spec = found.setdefault((cause(spec.name, spec.reason), spec.name), {})
                of_spec[run.runtime] = said
    lines: list[str] = []
    for told, name in sorted(found):
        if f"- {told}" not in lines:
            lines.append(f"- {told}")
        of_spec = found[told, name]
        said = next(iter(of_spec.values())).replace("<", "&lt;")
        lines.append(f"  - `{name}` ({', '.join(of_spec)}): {said}")
    return lines


def _again(runs: Sequence[Run]) -> list[str]:
    """Return the specs that failed among all others, and passed when they were run alone."""
    return [
        f"- {GROUPS[run.group].title}, {run.runtime}: `{name}`"
        for run in runs
        for name in run.again
    ]


def _skipped(runs: Sequence[Run]) -> list[str]:
    found: dict[str, dict[str, set[str]]] = {}
    for run in runs:
        for spec in run.specs:
            if spec.state == "skip":
                found.setdefault(spec.reason, {}).setdefault(spec.name, set()).add(run.runtime)
    lines: list[str] = []
    for reason, specs in sorted(found.items()):
        lines.append(f"- {reason.replace('<', '&lt;')}")
        lines += [f"  - `{name}` ({', '.join(sorted(of))})" for name, of in sorted(specs.items())]
    return lines


def _every(runs: Sequence[Run]) -> Iterator[str]:
    for group in dict.fromkeys(run.group for run in runs):
        of_group = [run for run in runs if run.group == group]
        yield f"\n### {GROUPS[group].title}\n"
        yield "| spec | " + " | ".join(run.runtime for run in of_group) + " |"
        yield "|---|" + "---|" * len(of_group)
        states: list[dict[str, State]] = [
            {spec.name: spec.state for spec in run.specs} for run in of_group
        ]
        for name in sorted({name for of in states for name in of}):
            cells = [_SIGN[of[name]] if name in of else "" for of in states]
            yield f"| {name.replace('|', chr(92) + '|')} | " + " | ".join(cells) + " |"
