"""hack/bench peers: runs the same pods with other CRI runtimes and with cri-shim, alternately.

Each NAME=SOCKET is a runtime that already runs on this machine and has the image. Write the image
with --save-image FILE and load it, for example by `ctr -n k8s.io images import FILE` or `skopeo
copy docker-archive:FILE containers-storage:NAME`. The benchmark does not change their settings:
they must use the same OCI runtime and a network of the same plugins, or the comparison is invalid.
"""

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from hack.benchlib import measured, report
from hack.benchlib.figures import Samples, percentile, table
from hack.benchlib.instance import Instance, running
from hack.benchlib.measured import Cri
from tests.fixtures import busybox

OURS = "cri-shim"
PAUSE_S = 0.05  # before each pod, as in the floor


def main() -> int:
    args = _arguments()
    if args.save_image:
        print(busybox.archive(args.save_image, name=measured.IMAGE), measured.IMAGE)
        return 0
    with running() as instance:
        _compare(instance, args)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hack/bench peers", description=__doc__)
    parser.add_argument("peers", nargs="*", type=peer, metavar="NAME=SOCKET")
    parser.add_argument("--pods", type=int, default=20, help="measured one by one (20)")
    parser.add_argument("--parallel", type=int, default=50, help="pods of the parallel part (50)")
    parser.add_argument("--runtime", choices=("crun", "runc"), default="crun", help="of ours")
    parser.add_argument("--save-image", type=Path, metavar="FILE", help="write the image and end")
    return parser.parse_args()


def peer(text: str) -> tuple[str, Path]:
    """Return the name and socket of a runtime, as an argument has them."""
    name, equals, socket = text.partition("=")
    if not (name and equals and Path(socket).is_socket()):
        raise argparse.ArgumentTypeError(f"must be NAME=SOCKET of one that serves, not {text!r}")
    return name, Path(socket)


def _compare(instance: Instance, args: argparse.Namespace) -> None:
    with ExitStack() as stack:
        ours = stack.enter_context(measured.connect(instance.socket))
        runtimes = {OURS: Cri(ours, args.runtime, instance.logs)}
        runtimes[OURS].load_image(instance.directory)
        for name, socket in args.peers:
            channel = stack.enter_context(measured.connect(socket))
            runtimes[name] = Cri(channel, "", instance.directory / name)
        for key, value in report.machine(args.runtime).items():
            print(f"{key}: {value}")
        try:
            steps = _in_turns(runtimes, args.pods)
            _print(steps)
            for name, cri in runtimes.items():
                _in_parallel(name, cri, args.parallel)
        finally:
            for cri in runtimes.values():
                cri.remove_mine()


def _in_turns(runtimes: dict[str, Cri], pods: int) -> dict[str, Samples]:
    found = {name: Samples() for name in runtimes}
    for n in range(pods + 1):  # the first round is a warm-up
        for name, cri in runtimes.items():
            samples = found[name] if n else Samples()
            time.sleep(PAUSE_S)
            pod = cri.up(samples)
            cri.exec(pod, samples)
            cri.down(pod, samples)
    return found


def _print(found: dict[str, Samples]) -> None:
    ours = found[OURS]
    for name, samples in found.items():
        print("\n" + table(name, samples.summary()))
    parts = {"pod up": measured.UP, "exec": ("ExecSync",), "pod down": measured.DOWN}
    print("\nours to theirs, of p50" + "".join(f"{part:>10}" for part in parts))
    for name, samples in found.items():
        ratios = (
            percentile(ours.sums(*steps), 0.5) / percentile(samples.sums(*steps), 0.5)
            for steps in parts.values()
        )
        print(f"  {name:20}" + "".join(f"{ratio:>10.2f}" for ratio in ratios))


def _in_parallel(name: str, cri: Cri, pods: int) -> None:
    if not pods:
        return
    held, up_s = measured.in_parallel(measured.CREW, lambda _: cri.up(), list(range(pods)))
    _, down_s = measured.in_parallel(measured.CREW, cri.down, held)
    rates = f"{pods / up_s:.1f} pods/s up, {pods / (up_s + down_s):.1f} up and down"
    print(f"{name}: at {measured.CREW} parallel {rates}")


if __name__ == "__main__":
    sys.exit(main())
