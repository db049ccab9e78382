"""Pulls whose cost is not a duration: of a shared base, and of memory after many."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.stub import Stub
from hack.benchlib import link
from hack.benchlib.instance import Instance
from tests.fixtures.images import Image, Registry

CALL_S = 600.0
FIRST = 10  # pulls until memory is looked at: caches and buffers are full then


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image in the registry, and the paths of all that a pull of it needs."""

    name: str
    paths: Sequence[str]
    sizes: Sequence[int]  # bytes of its layers


def push(registry: Registry, kind: str, layers: Sequence[bytes]) -> Pushed:
    image, repository = Image(layers), kind.replace(" ", "-")
    blobs = [
        f"sha256:{hashlib.sha256(data).hexdigest()}" for data in [image.config_bytes, *image.blobs]
    ]
    paths = ["manifests/1", *(f"blobs/{digest}" for digest in blobs)]
    return Pushed(
        registry.push(image, f"{repository}:1"),
        [f"/v2/{repository}/{path}" for path in paths],
        [len(blob) for blob in image.blobs],
    )


def shared_base(stub: Stub, base: Pushed, second: Pushed, *, counted: bool) -> None:
    """Pull `second` while `base`, all its layers but the last, is here."""
    _pull(stub, base.name)
    before, begin = link.received(), time.monotonic()
    _pull(stub, second.name)
    seconds, carried = time.monotonic() - begin, link.received() - before
    words = (
        f"second image of a base: {seconds * 1000:.0f} ms; {second.sizes[-1] / 1e6:.2f} MB its own"
    )
    if counted:  # nothing else uses this interface
        words += f", {carried / 1e6:.2f} MB came; its base has {sum(base.sizes) / 1e6:.2f} MB"
    print(f"\n{words}")
    for image in (second, base):
        _remove(stub, image.name)


def steady(instance: Instance, stub: Stub, image: Pushed, pulls: int) -> None:
    """Print the daemon's memory before and after this many pulls."""
    found = []
    for number in (FIRST, pulls):
        for _ in range(number):
            _pull(stub, image.name)
            _remove(stub, image.name)
        found.append(instance.pss_kib() / 1024)
    print(f"daemon: {found[0]:.1f} MiB, and {found[1]:.1f} MiB after {pulls} more pulls")


def _pull(stub: Stub, name: str) -> None:
    request = api.PullImageRequest(image=api.ImageSpec(image=name))
    stub.PullImage(request, timeout=CALL_S)


def _remove(stub: Stub, name: str) -> None:
    request = api.RemoveImageRequest(image=api.ImageSpec(image=name))
    stub.RemoveImage(request, timeout=CALL_S)
