"""The program: fuzz one target, or each in turn, in a separate process.

    hack/fuzz                      every target, for a minute
    hack/fuzz --seconds 600 layer  one of them, for longer
    hack/fuzz --input FILE layer   one input again
    hack/fuzz --list

A failing input is printed with its seed and kept in a file; the exit status is 1 then.
"""

import argparse
import base64
import logging
import random
import subprocess
import sys
from pathlib import Path

from tests.hostile.fuzz import (
    calls,
    files,
    harness,
    images,
    networks,
    plugins,
    runtimes,
    streams,
)
from tests.hostile.fuzz.harness import Harness
from tests.hostile.fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (images, networks, plugins, files, runtimes, streams, calls)
    for target in module.TARGETS
}
_MODULE = "tests.hostile.fuzz"
_SHOWN = 2048  # bytes of an input that are printed


def main() -> int:
    args = _arguments()
    if args.list:
        print("\n".join(TARGETS))
        return 0
    if len(args.target) != 1:
        return max([_in_a_process(name, args) for name in args.target or TARGETS], default=0)
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    target = TARGETS[args.target[0]]
    attempts = Harness(target, args.seed)
    if args.input:
        failure = attempts.once(args.input.read_bytes())
    else:
        failure = attempts.run(inputs=args.inputs, seconds=args.seconds)
    tried, outcomes = attempts.tried, len(attempts.outcomes)
    print(f"{target.name}: {tried} inputs, {outcomes} outcomes, seed {args.seed}")
    if failure is None:
        return 0
    path = args.input or harness.kept(failure, target, args.keep)
    print(f"input {failure.number} fails: {failure.problem}\nit is kept in {path}")
    if len(failure.data) <= _SHOWN:
        print(f"base64: {base64.b64encode(failure.data).decode()}")
    print(f"again: hack/fuzz --input {path} '{target.name}'")
    return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hack/fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", nargs="*", metavar="TARGET", help="all of them, if none is named")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target (60)")
    parser.add_argument("--inputs", type=int, default=sys.maxsize, help="at most, for each target")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--input", type=Path, metavar="FILE", help="try this input alone")
    parser.add_argument("--keep", type=Path, metavar="DIR", default=Path(), help="for what fails")
    parser.add_argument("--list", action="store_true", help="name the targets")
    args = parser.parse_args()
    if unknown := [name for name in args.target if name not in TARGETS]:
        parser.error(f"no target {unknown[0]!r}; there are: {', '.join(TARGETS)}")
    if args.input and len(args.target) != 1:
        parser.error("--input is for one target")
    return args


def _in_a_process(name: str, args: argparse.Namespace) -> int:
    """Its limits of memory are its own, and so is its end."""
    command = [sys.executable, "-m", _MODULE, name, "--seed", str(args.seed)]
    command += ["--seconds", str(args.seconds), "--inputs", str(args.inputs)]
    command += ["--keep", str(args.keep)]
    done = subprocess.run(command, check=False)
    if done.returncode not in (0, 1):
        print(f"{name}: the process ended with status {done.returncode}; seed {args.seed}")
    sys.stdout.flush()
    return min(abs(done.returncode), 1)


if __name__ == "__main__":
    sys.exit(main())
