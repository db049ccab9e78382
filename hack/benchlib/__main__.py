"""hack/bench: the order of the measurements, and the report."""

import argparse
import json
import os
import signal
import sys
import time
from typing import Any

from cri_shim.isolation.cgroups import Cgroups
from cri_shim.linux import syscalls
from hack.benchlib import commands, measured, report
from hack.benchlib.figures import Samples
from hack.benchlib.floor import Floor
from hack.benchlib.instance import Instance, conmons, pss_kib, running
from hack.benchlib.measured import Cri
from hack.benchlib.template import take

PAUSE_S = 0.05  # before each pod: the kernel's caches of the last pod cool down
SETTLE_S = 1.0  # before memory is measured
_PRIMED = "spare the floor, too, the kernel's wait at the first move between cgroups"


def main() -> int:
    args = _arguments()
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)  # to reap the bare conmons
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with running() as instance:
            found = _measure(instance, args)
    finally:
        _reap()
    print(json.dumps(found, indent=2) if args.json else report.text(found))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hack/bench", description=__doc__)
    parser.add_argument("--pods", type=int, default=30, help="measured one by one (30)")
    parser.add_argument("--parallel", type=int, default=100, help="pods of the parallel part (100)")
    parser.add_argument("--runtime", choices=("crun", "runc"), default="crun")
    parser.add_argument("--primed-floor", action="store_true", help=_PRIMED)
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    return parser.parse_args()


def _measure(instance: Instance, args: argparse.Namespace) -> dict[str, Any]:
    time.sleep(SETTLE_S)
    idle_kib = instance.pss_kib()
    with measured.connect(instance.socket) as channel:
        cri = Cri(channel, args.runtime, instance.logs)
        cri.load_image(instance.directory)
        try:
            found = _one_by_one(instance, cri, args)
            if args.parallel:
                found |= _in_parallel(instance, cri, args.parallel, idle_kib)
        finally:
            cri.remove_mine()
    return {
        "machine": report.machine(args.runtime),
        "runtime": args.runtime,
        "pods": args.pods,
        "floor_is_primed": args.primed_floor,
        "idle_pss_mib": round(idle_kib / 1024, 1),
        **found,
    }


def _one_by_one(instance: Instance, cri: Cri, args: argparse.Namespace) -> dict[str, Any]:
    """Measure pods of the daemon and bare pods alternately."""
    pods: int = args.pods
    ours, bare = Samples(), Samples()
    first = cri.up()
    template = take(instance, first)
    prime = Cgroups("cgroupfs").warm_up if args.primed_floor else _nothing
    under = Floor(template, prime)
    cpu = 0.0
    try:
        for n in range(pods + 1):  # the first round is a warm-up
            mine, its = (ours, bare) if n else (Samples(), Samples())
            time.sleep(PAUSE_S)
            before = instance.cpu_s()
            pod = cri.up(mine)
            cri.exec(pod, mine)
            cri.down(pod, mine)
            cpu += instance.cpu_s() - before if n else 0.0
            time.sleep(PAUSE_S)
            naked = under.up(its)
            under.exec(naked, measured.EXEC, its)
            under.down(naked, its)
            _reap()
    finally:
        under.close()
    cri.down(first)
    return {
        "cpu_ms_a_pod": round(cpu / pods * 1000, 1),
        **report.compared(ours, bare),
        "floor_commands": commands.script(template),
    }


def _in_parallel(instance: Instance, cri: Cri, pods: int, idle_kib: int) -> dict[str, Any]:
    """Start many pods at the same time, measure, and remove them."""
    before = instance.cpu_s()
    held, up_s = measured.in_parallel(measured.CREW, lambda _: cri.up(), list(range(pods)))
    time.sleep(SETTLE_S)
    full_kib = instance.pss_kib()
    monitors = [pss_kib(pid) for pid in conmons(instance.run_root)]
    _, down_s = measured.in_parallel(measured.CREW, cri.down, held)
    cpu = instance.cpu_s() - before
    return {
        "parallel": {
            "pods": pods,
            "workers": measured.CREW,
            "up_pods_per_s": round(pods / up_s, 1),
            "up_and_down_pods_per_s": round(pods / (up_s + down_s), 1),
            "cpu_ms_a_pod": round(cpu / pods * 1000, 1),
            "growth_mib_a_pod": round((full_kib - idle_kib) / 1024 / pods, 3),
            "pss_mib": round(full_kib / 1024, 1),
            "conmon_mib_each": round(sum(monitors) / 1024 / max(1, len(monitors)), 2),
        }
    }


def _nothing() -> None:
    """Do nothing, in place of the warm-up of cgroups."""


def _reap() -> None:
    """Reap the bare conmons, whose parent is this process."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    sys.exit(main())
