"""hack/cluster: up, down, test, or any command inside the cluster."""

import argparse
import os
import signal
import sys
from pathlib import Path

from hack.clusterlib import control, namespaces
from hack.clusterlib.place import DEFAULT, ClusterError, Place


def main() -> int:
    args = _arguments()
    place = Place(args.directory, args.programs)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # then the exit removes everything
    try:
        if args.verb == "up":
            control.up(place)
            print(f"cluster: the node is Ready; its directory is {place.directory}")
        elif args.verb == "down":
            control.down(place)
        elif args.verb == "exec":
            return control.run(place, args.words)
        else:
            return _test(place, args.words)
    except ClusterError as e:
        print(f"cluster: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _test(place: Place, words: list[str]) -> int:
    """Run the cluster's tests; a cluster that this call starts is ended afterwards."""
    ours = not namespaces.supervisor(place)
    if ours:
        control.up(place)
    try:
        pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        pytest.append(f"--basetemp={place / f'pytest-{os.getpid()}'}")
        return control.run(place, [*pytest, *_selection(words)])
    finally:
        if ours:
            control.down(place)


def _selection(words: list[str]) -> list[str]:
    """Return pytest's arguments; without a file or directory in them, add tests/cluster."""
    if words[:1] == ["--bounded"]:
        words = ["-m", "bounded", *words[1:]]
    named = any(Path(word.partition("::")[0]).exists() for word in words)
    return words if named else [*words, "tests/cluster"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hack/cluster")
    parser.add_argument("--directory", type=Path, default=DEFAULT, help=f"default: {DEFAULT}")
    parser.add_argument("--programs", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("verb", choices=("up", "down", "test", "exec"))
    parser.add_argument("words", nargs=argparse.REMAINDER, help="pytest's arguments, or a command")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
