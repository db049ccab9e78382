"""Writes docs/conformance.md from outcomes: numbers, failures, skips, and every spec."""

from collections.abc import Iterator, Mapping, Sequence

from hack.critestlib.outcome import Outcome, Spec, State

_SIGN: Mapping[State, str] = {"pass": "pass", "fail": "**FAIL**", "skip": "skip"}

_HEAD = """# Conformance: the results of critest

Written by `hack/critest`; do not edit. [critest](https://github.com/kubernetes-sigs/cri-tools) is
the conformance suite of the Kubernetes Container Runtime Interface. Every run has a separate
instance of cri-shim. The images are not the public ones: equivalent images are made from Debian's
packages, and are served by a registry on the machine under the public names.
"""

_DIGEST = """One spec, `image with digest`, compares with the digest of a public image that cannot
be had without a network. critest was run from a copy in which that one constant is exchanged for
the digest of the local image; nothing else in it is changed."""

_NO_DIGEST = """One spec, `image with digest`, pulls a public image by its digest. It fails
without a network."""


_CRICTL = """crictl has tests of its own, which drive the program as an operator would. They run
from a build of its source tree, with the same images and the same exchanged digest.
"""

_NO_CRICTL = "Not run: the source tree of cri-tools, with crictl's own tests, was not at hand."


def text(outcomes: Sequence[Outcome]) -> str:
    """Return the whole page; the columns have the order of `outcomes`."""
    critest = [outcome for outcome in outcomes if outcome.suite == "critest"]
    crictl = [outcome for outcome in outcomes if outcome.suite == "crictl"]
    exchanged = any(outcome.exchanged_digest for outcome in critest)
    parts = [
        _HEAD,
        _DIGEST if exchanged else _NO_DIGEST,
        *_of_suite("##", "Runs", critest),
        "\n## What the OCI runtimes can do\n",
        "As Status reported at the beginning of a run, from smoke tests.\n",
        *_features(critest),
        "\n## Every spec\n",
        *_specs(critest),
        "\n## crictl's own tests\n",
        *([_CRICTL, *_of_suite("###", "Runs of crictl's tests", crictl)] if crictl else []),
        *(["\n### Every test of crictl\n", *_specs(crictl)] if crictl else [_NO_CRICTL]),
    ]
    return "\n".join(parts) + "\n"


def _of_suite(level: str, title: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the runs of one suite, with their failures, skips and traces."""
    yield f"\n{level} {title}\n"
    yield from _runs(outcomes)
    yield f"\n{level} Failed\n"
    yield from _told(outcomes, "fail") or ["None."]
    yield f"\n{level} Skipped themselves\n"
    yield from _told(outcomes, "skip") or ["None."]
    yield f"\n{level} Left behind\n"
    traces = [f"- {trace}" for run in outcomes for trace in run.traces]
    yield from traces or ["Nothing, in any run."]


def _runs(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "| | run | date | pass | fail | skip | seconds | versions |"
    yield "|---|---|---|---|---|---|---|---|"
    for number, run in enumerate(outcomes, 1):
        versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
        yield (
            f"| {number} | {run.combination} | {run.date} | {run.count('pass')} "
            f"| {run.count('fail')} | {run.count('skip')} | {run.seconds:.0f} | {versions} |"
        )


def _features(outcomes: Sequence[Outcome]) -> Iterator[str]:
    by_runtime = {name: told for run in outcomes for name, told in run.features.items()}
    names = list(dict.fromkeys(name for told in by_runtime.values() for name in told))
    yield "| feature | " + " | ".join(by_runtime) + " |"
    yield "|---|" + "---|" * len(by_runtime)
    for name in names:
        cells = ["yes" if told.get(name) else "no" for told in by_runtime.values()]
        yield f"| {name} | " + " | ".join(cells) + " |"


def _told(outcomes: Sequence[Outcome], state: State) -> list[str]:
    """Return the specs with this state, grouped by their reason, with the numbers of their runs."""
    runs: dict[tuple[str, str], list[int]] = {}
    for number, outcome in enumerate(outcomes, 1):
        for spec in outcome.specs:
            if spec.state == state:
                runs.setdefault((_reason(spec), spec.name), []).append(number)
    lines: list[str] = []
    for reason, name in sorted(runs):
        if f"- {reason}" not in lines:
            lines.append(f"- {reason}")
        lines.append(f"  - `{name}` ({_numbers(runs[reason, name], len(outcomes))})")
    return lines


def _numbers(runs: Sequence[int], of: int) -> str:
    return "every run" if len(runs) == of else f"run {', '.join(map(str, runs))}"


def _reason(spec: Spec) -> str:
    where = f" ({spec.at})" if spec.at else ""
    return spec.reason.replace("<", "&lt;") + where


def _specs(outcomes: Sequence[Outcome]) -> Iterator[str]:
    columns = range(1, len(outcomes) + 1)
    yield "| spec | " + " | ".join(map(str, columns)) + " |"
    yield "|---|" + "---|" * len(outcomes)
    states = [{spec.name: spec.state for spec in outcome.specs} for outcome in outcomes]
    for name in sorted({name for of in states for name in of}):
        cells = [_SIGN[of[name]] if name in of else "" for of in states]
        yield f"| {name.replace('|', chr(92) + '|')} | " + " | ".join(cells) + " |"
