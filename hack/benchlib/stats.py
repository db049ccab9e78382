"""hack/bench stats: how long the kubelet waits for the statistics of a full node."""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.stub import RUNTIME, Stub
from hack.benchlib import measured
from hack.benchlib.instance import Instance, running
from hack.benchlib.measured import Cri

CREW = 8
ROUNDS = 15
CALL_S = 60.0
PAUSE_S = 0.2


def main() -> int:
    parser = argparse.ArgumentParser(prog="hack/bench stats", description=__doc__)
    parser.add_argument("--pods", type=int, default=200, help="of one container each (200)")
    parser.add_argument("--runtime", choices=("crun", "runc"), default="crun")
    args = parser.parse_args()
    with running() as instance:
        _measure(instance, args.runtime, args.pods)
    return 0


def _measure(instance: Instance, runtime: str, pods: int) -> None:
    with measured.connect(instance.socket) as channel:
        cri = Cri(channel, runtime, instance.logs)
        cri.load_image(instance.directory)
        try:
            measured.in_parallel(CREW, lambda _: cri.up(), list(range(pods)))
            stub = Stub(channel, RUNTIME)
            print(f"{'call':24} {'rows':>5} {'first':>8} {'median':>8} {'most':>8} {'cpu':>8}  ms")
            for name, rows in (
                ("ListContainerStats", lambda answer: answer.stats),
                ("ListPodSandboxStats", lambda answer: answer.stats),
                ("ListPodSandboxMetrics", lambda answer: answer.pod_metrics),
                ("ListContainers", lambda answer: answer.containers),
            ):
                request = getattr(api, f"{name}Request")()
                _print(instance, name, getattr(stub, name), request, rows)
        finally:
            cri.remove_mine()


def _print(
    instance: Instance,
    name: str,
    call: Callable[..., Any],
    request: Any,
    rows: Callable[[Any], Any],
) -> None:
    """Make one call after another, with a caller's pauses; print times and the daemon's CPU."""
    took = []
    before = instance.cpu_s()
    for _ in range(ROUNDS):
        time.sleep(PAUSE_S)
        begin = time.perf_counter()
        answer = call(request, timeout=CALL_S)
        took.append((time.perf_counter() - begin) * 1000)
    cpu = (instance.cpu_s() - before) * 1000 / ROUNDS
    first, later = took[0], took[1:]
    middle, most = statistics.median(later), max(later)
    print(f"{name:24} {len(rows(answer)):5} {first:8.1f} {middle:8.1f} {most:8.1f} {cpu:8.1f}")


if __name__ == "__main__":
    sys.exit(main())
