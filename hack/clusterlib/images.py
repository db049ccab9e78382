"""The images that the cluster's tests use, and the storage of the registry that serves them."""

import json
from pathlib import Path
from typing import Any

from hack.clusterlib.place import REGISTRY, Place
from tests.fixtures.images import Image, Registry, Tar, busybox_image, busybox_layer

BUSYBOX = f"{REGISTRY}/busybox:1"
BUSYBOX_2 = f"{REGISTRY}/busybox:2"  # the same programs with another id, for roll-outs
AGNHOST = f"{REGISTRY}/agnhost:1"
DATA = f"{REGISTRY}/data:1"  # files only, for image volumes


def store(place: Place) -> None:
    """Push every image to a registry; the cluster's own registry serves its storage later."""
    directory = place / "registry"
    with Registry(directory) as registry:
        for name, image in _images(place.programs).items():
            registry.push(image, name.removeprefix(f"{REGISTRY}/"))
        (directory / "data").rename(place / "registry-data")
    (place / "registry.json").write_text(json.dumps(_configuration(place / "registry-data")))


def _images(programs: Path) -> dict[str, Image]:
    agnhost = Tar().file("agnhost", (programs / "agnhost").read_bytes(), mode=0o755)
    data = Tar().file("hello", b"hello from an image\n").directory("sub").file("sub/file", b"sub\n")
    return {
        BUSYBOX: busybox_image(),
        BUSYBOX_2: busybox_image(config={"Cmd": ["/bin/sh"], "Env": ["VERSION=2"]}),
        AGNHOST: Image(
            [busybox_layer(), agnhost],
            config={"Entrypoint": ["/agnhost"], "Env": ["PATH=/bin"]},
            compression=["none"],
        ),
        DATA: Image([data]),
    }


def _configuration(storage: Path) -> dict[str, Any]:
    return {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}},
        "http": {"addr": REGISTRY},
    }
