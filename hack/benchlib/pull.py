"""hack/bench pull: pulls images from a registry on the loopback interface, and removes them.

Three images: a small one; one of six layers; one with a single large layer. Each NAME=SOCKET is
another CRI runtime that runs here; they and cri-shim pull alternately. All files are new in each
round, for the image was removed. The registry is docker-registry.

Afterwards: what a second image costs whose base is here, and what the daemon's memory is after many
pulls. With --link all of it happens over a slow link, beside a bare download of the same bytes.
"""

import argparse
import random
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.stub import IMAGE, Stub
from hack.benchlib import link, measured, pull_more, reflector, report
from hack.benchlib.figures import Samples, percentile, table
from hack.benchlib.instance import Instance, running
from hack.benchlib.peers import OURS, peer
from hack.benchlib.pull_more import Pushed
from tests.fixtures.images import Registry, Tar, busybox_layer

PAUSE_S = 0.3  # between two rounds: deletions in the background, and the registry, come to rest
CALL_S = 600.0
FILE_BYTES = 12_000  # of an average file, a third of which cannot be compressed
KINDS = ("small", "six layers", "large layer")
BARE = "bare download"


def main() -> int:
    args = _arguments()
    listens, seen_as = "127.0.0.1", "127.0.0.1"
    if args.link:
        print(f"link: {link.enter()}")
        listens, seen_as = reflector.NEAR, reflector.FAR
    with running() as instance:
        directory = instance.directory / "registry"
        with Registry(directory, listens=listens, seen_as=seen_as) as registry:
            instance.registries_conf.write_text(registry.conf.read_text())
            _compare(instance, registry, args)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hack/bench pull", description=__doc__)
    parser.add_argument("peers", nargs="*", type=peer, metavar="NAME=SOCKET")
    parser.add_argument("--rounds", type=int, default=5, help="of each image (5)")
    parser.add_argument("--files", type=int, default=8000, help="of the large layer (8000)")
    parser.add_argument(
        "--link", action="store_true",
        help=f"over {link.MBIT} Mbit/s with a round trip of {link.ROUND_TRIP_MS} ms",
    )  # fmt: skip
    parser.add_argument("--steady", type=int, default=0, help="pulls between two looks at the PSS")
    args = parser.parse_args()
    if args.link and args.peers:
        parser.error("--link is a network namespace of the bench: no other runtime is in it")
    return args


def _compare(instance: Instance, registry: Registry, args: argparse.Namespace) -> None:
    layers = {kind: _layers(kind, args.files) for kind in KINDS}
    images = {kind: pull_more.push(registry, kind, layers[kind]) for kind in KINDS}
    with ExitStack() as stack:
        sockets = {OURS: instance.socket, **dict(args.peers)}
        channels = {n: stack.enter_context(measured.connect(s)) for n, s in sockets.items()}
        runtimes = {name: Stub(channel, IMAGE) for name, channel in channels.items()}
        for key, value in report.machine("crun").items():
            print(f"{key}: {value}")
        found = _in_turns(runtimes, images, args.rounds, registry.host if args.link else "")
        _print(found)
        second = pull_more.push(
            registry, "second", [*layers["large layer"], _layer(100, 7).bytes()]
        )
        pull_more.shared_base(runtimes[OURS], images["large layer"], second, counted=args.link)
        if args.steady:
            pull_more.steady(instance, runtimes[OURS], images["small"], args.steady)
        print(f"daemon: {instance.pss_kib() / 1024:.1f} MiB at the end")


def _layers(kind: str, files: int) -> list[bytes]:
    if kind == "small":
        layers = [busybox_layer()]
    elif kind == "six layers":
        layers = [_layer(files // 6, seed) for seed in range(6)]
    else:
        layers = [_layer(files, 6)]
    return [layer.bytes() for layer in layers]


def _layer(files: int, seed: int) -> Tar:
    chance, layer = random.Random(seed), Tar()
    for n in range(files):
        if n % 100 == 0:
            layer.directory(f"d{seed}-{n // 100}")
        size = int(chance.expovariate(1 / FILE_BYTES))
        data = chance.randbytes(size // 3) + b"the same text again and again. " * (size // 45)
        layer.file(f"d{seed}-{n // 100}/f{n}", data)
    return layer


def _in_turns(
    runtimes: Mapping[str, Stub], images: Mapping[str, Pushed], rounds: int, bare: str
) -> dict[str, Samples]:
    """Pull and remove with each runtime; `bare` is the registry of a bare download, or ""."""
    found = {name: Samples() for name in [*runtimes, *([BARE] if bare else [])]}
    for n in range(rounds + 1):  # the first round is a warm-up
        for kind, image in images.items():
            for name, stub in runtimes.items():
                samples = found[name] if n else Samples()
                _pull(stub, kind, image.name, samples)
            if bare and n:
                found[BARE].add(kind, link.download(bare, image.paths))
    return found


def _pull(stub: Stub, kind: str, image: str, samples: Samples) -> None:
    spec = api.ImageSpec(image=image)
    begin = time.monotonic()
    stub.PullImage(api.PullImageRequest(image=spec), timeout=CALL_S)
    pulled = time.monotonic()
    stub.RemoveImage(api.RemoveImageRequest(image=spec), timeout=CALL_S)
    samples.add(kind, pulled - begin)
    samples.add(f"remove {kind}", time.monotonic() - pulled)
    time.sleep(PAUSE_S)


def _print(found: Mapping[str, Samples]) -> None:
    for name, samples in found.items():
        print("\n" + table(name, samples.summary()))
    ours = found[OURS]
    print("\nours to theirs, of p50" + "".join(f"{kind:>14}" for kind in KINDS))
    for name, samples in found.items():
        ratios = (
            percentile(ours.sums(kind), 0.5) / percentile(samples.sums(kind), 0.5) for kind in KINDS
        )
        print(f"  {name:20}" + "".join(f"{ratio:>14.2f}" for ratio in ratios))


if __name__ == "__main__":
    sys.exit(main())
