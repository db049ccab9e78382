"""Stand-ins for the images of the suite, and the storage of the registry that serves them.

They have what the specs check. A pull of an image without a stand-in fails; the specs that need it
fail or skip, with any runtime.
"""

import hashlib
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hack.critestlib.images import nonewprivs
from hack.nodee2elib import names, rootfs
from tests.fixtures.images import Image, Registry, Tar

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CATATONIT = Path("/usr/bin/catatonit")  # static; as /pause it ends by a signal, like the original
_PORTER = Path("test/images/agnhost/porter")
# Users of the public images that specs name.
_PASSWD = "user-defined-in-image:x:1000:1000::/:/bin/sh\n"
_GROUP = "group-defined-in-image:x:50000:user-defined-in-image\n"
# Debian's busybox is built without this applet; the suite gets the time with milliseconds from it.
_NMETER = b"""#!/bin/sh
busybox adjtimex | {
    while read -r name value; do
        case $name in time.tv_sec:) seconds=$value ;; time.tv_usec:) microseconds=$value ;; esac
    done
    date -u -d "@$seconds" "+%H:%M:%S.$(printf %03d $((microseconds / 1000)))"
}
"""
_NGINX = b"""error_log stderr;
events {}
http {
    access_log /dev/stdout;
    server { listen 80; root /usr/share/nginx/html; }
}
"""


def stored(cache: Path, programs: Path, kubernetes: Path) -> tuple[Path, list[str]]:
    """Return the registry's storage with every stand-in, made once, and the names in it."""
    wanted = [name for name in names.wanted(kubernetes) if _short(name) in _STAND_INS]
    parts = [Path(__file__).read_text(), Path(rootfs.__file__).read_text(), *wanted, str(programs)]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    place = cache / f"node-e2e-images-{key}"
    if not place.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="making.", dir=cache) as work:
            storage = Path(work) / "storage"
            _push(_Sources(Path(work), programs, kubernetes), wanted, storage)
            storage.rename(place)
    return place, wanted


def _push(sources: "_Sources", wanted: list[str], storage: Path) -> None:
    """Push every image to a registry that keeps its files in `storage`, for another registry."""
    directory = storage.with_name("registry")
    with Registry(directory) as registry:
        for name, image in _made(sources, wanted):
            registry.push(image, path(name))
        (directory / "data").rename(storage)


def path(name: str) -> str:
    """Return the path of an image in the registry: its public name without the host."""
    return name.partition("/")[2]


def _short(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[0]


class _Sources:
    """The material of the stand-ins."""

    def __init__(self, work: Path, programs: Path, kubernetes: Path) -> None:
        self.programs, self.kubernetes = programs, kubernetes
        self.tree = work / "tree"
        rootfs.make(self.tree)
        self.layer = rootfs.layer(self.tree)
        additions = Tar()
        for name, more in (("etc/passwd", _PASSWD), ("etc/group", _GROUP)):
            additions.file(name, ((self.tree / name).read_text() + more).encode())
        # dash, as Debian's busybox, drops variables whose names are no shell names.
        additions.symlink("usr/bin/sh", "bash")
        additions.file("usr/local/bin/nmeter", _NMETER, mode=0o755)
        self.more = additions.bytes()

    def image(self, *layers: Tar, **config: Any) -> Image:
        """Return an image with the whole tree."""
        all_layers: list[Tar | bytes] = [self.layer, self.more, *layers]
        return Image(all_layers, config={"Env": [_PATH], **config}, compression=["none"])


def _made(sources: _Sources, wanted: list[str]) -> list[tuple[str, Image]]:
    """Each with its name; two tags are two images, as those of the public registry are."""
    by_kind = {kind: _STAND_INS[kind](sources) for kind in {_short(name) for name in wanted}}
    return [(name, _labelled(by_kind[_short(name)], name)) for name in wanted]


def _labelled(image: Image, name: str) -> Image:
    return replace(image, config={**image.config, "Labels": {"name": name}})


def _busybox(sources: _Sources) -> Image:
    program = sources.tree / "usr/bin/busybox"
    layer = Tar()
    for name in ("bin", "etc", "dev", "proc", "root", "run", "sys", "usr", "var", "home"):
        layer.directory(name)
    layer.directory("tmp", mode=0o1777).symlink("usr/bin", "../bin")
    layer.file("bin/busybox", program.read_bytes(), mode=0o755)
    listing = subprocess.run([program, "--list"], check=True, capture_output=True, text=True)
    for applet in sorted(set(listing.stdout.split()) - {"busybox", "sh"}):
        layer.entry(f"bin/{applet}", tarfile.LNKTYPE, linkname="bin/busybox", mode=0o755)
    layer.file("bin/sh", (sources.tree / "usr/bin/bash-static").read_bytes(), mode=0o755)
    layer.file("bin/nmeter", _NMETER, mode=0o755)
    layer.file(
        "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/home:/bin/false\n"
    )
    layer.file("etc/group", b"root:x:0:\nnobody:x:65534:\n")
    layer.file("etc/nsswitch.conf", b"hosts: files dns\n")
    return Image([layer], config={"Env": [_PATH], "Cmd": ["sh"]})


def _agnhost(sources: _Sources) -> Image:
    program = (sources.programs / "agnhost").read_bytes()
    layer = Tar().file("agnhost", program, mode=0o755).symlink("agnhost-2", "agnhost")
    layer.directory("uploads")
    for name in ("localhost.crt", "localhost.key"):
        layer.file(name, (sources.kubernetes / _PORTER / name).read_bytes())
    _fake_registry(layer, _pause(sources))
    return sources.image(layer, Entrypoint=["/agnhost"], Cmd=["pause"])


def _kitten(_: _Sources) -> Image:
    """Files that specs of image volumes read."""
    layer = Tar().file("data.json", b'{"image": "kitten.jpg"}\n').file("kitten.jpg")
    layer.file("etc/os-release", b'NAME="Alpine Linux"\n')
    layer.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    return Image([layer])


def _fake_registry(layer: Tar, pause: Image) -> None:
    """Add the files of agnhost's own registry: one image, pause:testing."""
    top = "var/registry/pause"
    layer.file(f"{top}/manifests/testing", pause.digest.encode())
    _stored(layer, f"{top}/manifests", pause.manifest)
    for blob in (pause.config_bytes, *pause.blobs):
        _stored(layer, f"{top}/blobs", blob)


def _stored(layer: Tar, directory: str, data: bytes) -> None:
    hex = hashlib.sha256(data).hexdigest()
    layer.file(f"{directory}/sha256/{hex[:2]}/{hex}/data", data)


def _pause(_: _Sources) -> Image:
    layer = Tar().file("pause", _CATATONIT.read_bytes(), mode=0o755)
    return Image([layer], config={"Entrypoint": ["/pause", "-P"], "User": "65535:65535"})


def _nonewprivs(_: _Sources) -> Image:
    return nonewprivs()


def _nginx(sources: _Sources) -> Image:
    layer = Tar().file("etc/nginx/nginx.conf", _NGINX)
    return sources.image(layer, Cmd=["nginx", "-g", "daemon off;"])


def _device_plugin(sources: _Sources) -> Image:
    program = (sources.programs / "sample-device-plugin").read_bytes()
    layer = Tar().file("sampledeviceplugin", program, mode=0o755)
    layer.directory("tmp", mode=0o1777)  # for the files that stand for devices
    return Image([layer], config={"Entrypoint": ["/sampledeviceplugin", "-alsologtostderr"]})


_STAND_INS: Mapping[str, Callable[[_Sources], Image]] = {
    "agnhost": _agnhost,
    "busybox": _busybox,
    "glibc-dns-testing": lambda sources: sources.image(Cmd=["sh"]),
    "ipc-utils": lambda sources: sources.image(Cmd=["sh"]),
    "kitten": _kitten,
    "nginx": _nginx,
    "nonewprivs": _nonewprivs,
    "nonroot": lambda sources: sources.image(Cmd=["sh"], User="1234"),
    "pause": _pause,
    "perl": lambda sources: sources.image(Cmd=["perl"]),
    "sample-device-plugin": _device_plugin,
}
