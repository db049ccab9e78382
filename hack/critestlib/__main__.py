"""hack/critest: the order of the combinations, and their stored results."""

import argparse
import itertools
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from hack.critestlib import crictl, images, mirror, report, tools
from hack.critestlib.outcome import Outcome
from hack.critestlib.run import Combination, Suite, file_name, run

RESULTS = Path(".tools/critest")  # an outcome and a log of each combination
REPORT = Path("docs/conformance.md")
PROCESSES = 4
T = TypeVar("T")


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    combinations = _combinations(args)
    if args.report:
        return _write_report()
    critest = tools.critest()
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="csi", dir="/tmp") as name:
        directory = Path(name)
        with mirror.serving(images.build(directory / "packages"), directory) as served:
            suite = _suite(args, critest, served.digest, directory)
            outcomes = [
                _shown(each.title, partial(run, each, suite, served)) for each in combinations
            ]
            if not args.focus and not args.skip:
                outcomes += _crictl(args, served, directory)
    if not args.focus and not args.skip:
        _keep(outcomes)
    return 1 if any(outcome.count("fail") or outcome.traces for outcome in outcomes) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hack/critest", description="Without options: every combination."
    )
    parser.add_argument("--only", choices=("crun", "runc"), help="this OCI runtime alone")
    parser.add_argument("--crun", metavar="PATH", help="a further crun")
    parser.add_argument("--runc", metavar="PATH", help="a further runc")
    parser.add_argument("--spdy", action="store_true", help="not by WebSocket")
    parser.add_argument("--websocket", action="store_true", help="not by SPDY")
    parser.add_argument("--serial", action="store_true", help="not in parallel")
    parser.add_argument(
        "--parallel",
        type=int,
        nargs="?",
        const=PROCESSES,
        metavar="N",
        help=f"not serially; with N processes ({PROCESSES})",
    )
    parser.add_argument(
        "--cri-tools", metavar="DIR", help="source tree of cri-tools, for crictl's own tests"
    )
    parser.add_argument("--report", action="store_true", help="only write the report again")
    parser.add_argument("--focus", action="append", default=[], help="only specs that match")
    parser.add_argument("--skip", action="append", default=[], help="no specs that match")
    return parser.parse_args()


def _combinations(args: argparse.Namespace) -> Sequence[Combination]:
    """Return every combination of runtime, transport, and serial or parallel that is selected."""
    given = [("crun", args.crun), ("runc", args.runc or _newer_runc(args))]
    packaged = [(name, "") for name in ("crun", "runc") if not (args.only and _path(given, name))]
    runtimes = packaged + [(name, path) for name, path in given if path]
    runtimes = [(name, path) for name, path in runtimes if args.only in (None, name)]
    transports = _either(args.spdy, args.websocket, False, True)
    ways = _either(args.serial, args.parallel is not None, 1, args.parallel or PROCESSES)
    return [
        Combination(name, path, websocket, processes)
        for (name, path), websocket, processes in itertools.product(runtimes, transports, ways)
    ]


def _newer_runc(args: argparse.Namespace) -> str | None:
    """Return a runc newer than the distributions', unless the caller chose the runtimes."""
    if args.only or args.report or tools.version("runc") == tools.RUNC.rpartition("@v")[2]:
        return None
    built = tools.newer_runc()
    if built is None:
        print(f"{tools.RUNC} is left out: it needs go, and the headers of libseccomp")
        return None
    return str(built)


def _path(given: Sequence[tuple[str, str | None]], name: str) -> str:
    return dict(given).get(name) or ""


def _either(first: bool, second: bool, a: T, b: T) -> list[T]:
    """Return the selected one; both if neither or both are selected."""
    return [a, b] if first == second else [a] if first else [b]


def _suite(args: argparse.Namespace, original: Path, digest: str, directory: Path) -> Suite:
    copy = directory / "critest"
    exchanged = tools.with_digest(original, digest, copy)
    version = tools.version_or_sum(original)
    return Suite(copy, version, exchanged, RESULTS.resolve(), args.focus, args.skip)


def _shown(title: str, work: Callable[[], Outcome]) -> Outcome:
    """Run a combination, and print its results."""
    print(f"== {title}", flush=True)
    outcome = work()
    for spec in outcome.specs:
        if spec.state == "fail":
            print(f"FAIL {spec.name}\n     {spec.reason} ({spec.at})")
    for what, names in (("abandoned pod", outcome.abandoned), ("left behind", outcome.traces)):
        for name in names:
            print(f"{what}: {name}")
    counts = ", ".join(f"{outcome.count(state)} {state}" for state in ("pass", "fail", "skip"))
    print(f"== {title}: {counts}, {outcome.seconds:.0f} s", flush=True)
    return outcome


def _crictl(args: argparse.Namespace, served: mirror.Mirror, directory: Path) -> Sequence[Outcome]:
    """Run crictl's own tests with each packaged OCI runtime; none if they are not available."""
    suite = crictl.suite(args.cri_tools, served.digest, directory, RESULTS.resolve())
    if suite is None:
        print("crictl's own tests are not run: they need crictl, and --cri-tools or $CRICTL_E2E")
        return []
    runtimes = [name for name in ("crun", "runc") if args.only in (None, name)]
    return [
        _shown(f"crictl, {each}", partial(crictl.run, each, suite, served)) for each in runtimes
    ]


def _keep(outcomes: Sequence[Outcome]) -> None:
    """Store the outcomes, and write the report from all stored outcomes."""
    for outcome in outcomes:
        (RESULTS / f"{file_name(outcome.combination)}.json").write_text(outcome.to_json())
    _write_report()


def _write_report() -> int:
    stored = [Outcome.from_json(file.read_text()) for file in sorted(RESULTS.glob("*.json"))]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report.text(stored))
    print(f"written: {REPORT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
