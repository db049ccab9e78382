"""hack/node-e2e: the order of the groups, and their stored results."""

import argparse
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hack.clusterlib.place import ClusterError, Place
from hack.critestlib import instance, tools
from hack.nodee2elib import images, node, record, report, suite
from hack.nodee2elib.groups import GROUPS
from hack.nodee2elib.runtimes import RUNTIMES, oci

RESULTS = Path("docs/node-e2e")  # the outcome of each group and runtime
LOGS = Path(".tools/node-e2e")  # the same with the logs
REPORT = Path("docs/node-e2e.md")
PROCESSES = 16


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if args.report:
        return _write_report()
    good = True
    try:
        for name in args.group or GROUPS:
            run = _run(args, name)
            good = good and not run.count("fail") and not run.traces
            if not args.focus and not args.skip:
                _write_report()
    except (ClusterError, RuntimeError) as e:
        print(f"node-e2e: {e}", file=sys.stderr)
        return 1
    return 0 if good else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hack/node-e2e")
    parser.add_argument("--programs", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--kubernetes", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--runtime", choices=list(RUNTIMES), default="cri-shim")
    parser.add_argument(
        "--oci", default="crun", metavar="PATH", help="OCI runtime, or its path (crun)"
    )
    parser.add_argument("--procs", type=int, default=PROCESSES, help=f"default: {PROCESSES}")
    parser.add_argument("--group", action="append", choices=list(GROUPS), help="default: every one")
    parser.add_argument("--focus", action="append", default=[], help="only specs that match")
    parser.add_argument("--skip", action="append", default=[], help="no specs that match")
    parser.add_argument(
        "--limit", default=suite.LIMIT, metavar="TIME", help=f"end a group then ({suite.LIMIT})"
    )
    parser.add_argument("--again", action="store_true", help="only what failed in the stored run")
    parser.add_argument(
        "--rest", action="store_true", help="only what the stored run was ended before"
    )
    parser.add_argument("--report", action="store_true", help="only write the report again")
    parser.add_argument("--directory", type=Path, default=node.DEFAULT, help=str(node.DEFAULT))
    return parser.parse_args()


def _run(args: argparse.Namespace, name: str) -> record.Run:
    """Run one group; store the outcome of all of it, of what had failed, or of what was left."""
    stored = RESULTS / f"{name}-{args.runtime}.json"
    logs = LOGS / f"{name}-{args.runtime}"
    if args.again:
        earlier = record.Run.from_json(stored.read_text())
        if not earlier.undecided():
            return earlier
        focus = [_pattern(spec) for spec in earlier.undecided()]
        run = earlier.with_second_try(_run_part(args, name, logs / "again", focus))
    elif args.rest:
        earlier = record.Run.from_json(stored.read_text())
        if not earlier.undone():
            return earlier
        decided = [_pattern(spec.name) for spec in earlier.specs]
        run = earlier.continued(_run_part(args, name, logs / "rest", (), decided))
    elif args.focus or args.skip:
        return _run_part(args, name, LOGS / "part", args.focus, args.skip)
    else:
        run = _run_part(args, name, logs, ())
    RESULTS.mkdir(exist_ok=True)
    stored.write_text(run.to_json())
    return run


def _pattern(name: str) -> str:
    """A regular expression of Go for this name; ginkgo has the suite's name before it."""
    return "Suite " + re.sub(r"([^\w\s])", r"\\\1", name) + "$"


def _run_part(
    args: argparse.Namespace,
    name: str,
    logs: Path,
    focus: Sequence[str],
    skip: Sequence[str] = (),
) -> record.Run:
    runtime, group = RUNTIMES[args.runtime], GROUPS[name]
    place = Place(args.directory, args.programs)
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    storage, names = images.stored(_cache(), args.programs, args.kubernetes)
    selection = suite.Selection(group, args.procs, logs, focus, skip, args.limit)
    print(f"== {group.title}, {runtime.name}", flush=True)
    versions = _versions(args, runtime.version())  # of the code as it is at the start
    started = time.monotonic()
    with node.running(place, runtime, oci(args.oci), storage, names, logs):
        specs, selected = suite.run(place, runtime, selection)
    run = record.Run(
        group=name,
        runtime=runtime.name,
        date=instance.today(),
        versions=versions,
        machine=record.machine(),
        processes=args.procs,
        seconds=round(time.monotonic() - started, 1),
        specs=specs,
        traces=node.traces(place),
        selected=selected,
    )
    _show(group.title, run)
    return run


def _show(title: str, run: record.Run) -> None:
    for spec in run.specs:
        if spec.state == "fail":
            print(f"FAIL {spec.name}\n     {spec.reason} ({spec.at})")
    for trace in run.traces:
        print(f"left behind: {trace}")
    counts = ", ".join(f"{run.count(state)} {state}" for state in ("pass", "fail", "skip"))
    print(f"== {title}, {run.runtime}: {counts}, {run.seconds:.0f} s", flush=True)


def _write_report() -> int:
    """Write the report from the stored outcomes, in the order of the groups."""
    order = list(GROUPS)
    stored = [record.Run.from_json(f.read_text()) for f in sorted(RESULTS.glob("*.json"))]
    runs = sorted(stored, key=lambda run: (order.index(run.group), run.runtime == "containerd"))
    REPORT.write_text(report.text(runs))
    print(f"written: {REPORT}")
    return 0


def _versions(args: argparse.Namespace, runtime: str) -> dict[str, str]:
    kubernetes = args.kubernetes.name.partition("@")[2]
    return {
        "Kubernetes": kubernetes,
        args.runtime: runtime,
        Path(args.oci).name: tools.version(args.oci),
        **({"conmon": tools.version("conmon")} if args.runtime == "cri-shim" else {}),
        "Linux": os.uname().release.partition("-")[0],
    }


def _cache() -> Path:
    """Return the directory where hack/k8s/build keeps the programs."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("CRI_SHIM_CACHE") or Path(home, "cri-shim"))


if __name__ == "__main__":
    sys.exit(main())
