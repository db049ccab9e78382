"""Small replacements of all images that critest uses; they have what the specs check.

The keys are names at the mirror: the public name without its host. A comment or docstring says what
each image must have; everything that no spec checks is left out.
"""

import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cri_shim.store.manifest import host_architecture
from hack.critestlib.packages import Packages, libraries
from tests.fixtures.images import Image, Tar

STAGING = "k8s-staging-cri-tools"
PATH_ENV = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]

_PASSWD = (
    b"root:x:0:0:root:/root:/bin/sh\n"
    b"www-data:x:33:33::/var/www:/bin/false\n"
    b"nobody:x:65534:65534::/:/bin/false\n"
)
_GROUP = b"root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n"

_DIFFERENT = ["tag:test", "tag:all", "latest:latest", "digest:latest"]
_DIFFERENT += [f"{number}:latest" for number in (1, 2, 3)]

# Neither of Debian's busyboxes has these two.
_PGREP = b"""#!/bin/sh
found=1
for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    [ "$pid" = $$ ] && continue
    { read -r name <"$process/comm"; } 2>/dev/null || continue
    [ "$name" = "$1" ] && echo "$pid" && found=0
done
exit $found
"""
_IPCS = b"#!/bin/sh\ncat /proc/sysvipc/shm\n"
_HTTPD = b"#!/bin/sh\necho httpd is up\nexec busybox httpd -f -p 80 -h /srv\n"

# With -p, dash keeps the rights of a setuid file. Only built-ins are used: other programs may drop
# the rights.
_EFFECTIVE = (
    "while read -r key real effective rest; do "
    '[ "$key" = Uid: ] && echo "Effective uid: $effective"; done </proc/self/status; exit 0'
)

_NGINX_CONF = b"""user root;
pid /var/run/nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    server { listen %d; root /srv; }
}
"""


def build(directory: Path) -> Mapping[str, Image]:
    """Return all images; `directory` gets the unpacked packages."""
    packages = Packages(directory)
    packages.fetch("busybox", "nginx")
    shell = busybox_layer(packages)
    images = _programs(packages, shell)
    images |= _users(shell)
    images |= _told_apart(shell)
    return images


def busybox_layer(packages: Packages) -> Tar:
    """Return a shell and its tools as hard links: a mask over one must not hide all others."""
    program = packages.tree / "bin/busybox"
    layer = Tar()
    for name in ("bin", "etc", "lib", "proc", "root", "run", "srv", "sys", "usr", "usr/sbin"):
        layer.directory(name)
    layer.directory("tmp", mode=0o1777).directory("var").directory("var/run")
    layer.file("bin/busybox", program.read_bytes(), mode=0o755)
    for applet in _applets(program):
        layer.hard_link(f"bin/{applet}", "bin/busybox")
    _libraries(layer, program)
    layer.file("bin/pgrep", _PGREP, mode=0o755).file("bin/ipcs", _IPCS, mode=0o755)
    layer.file("srv/index.html", b"it works\n")
    return layer.file("etc/passwd", _PASSWD).file("etc/group", _GROUP)


def _applets(program: Path) -> list[str]:
    listing = subprocess.run([program, "--list"], check=True, capture_output=True, text=True)
    return sorted(set(listing.stdout.split()) - {"busybox"})


def _libraries(layer: Tar, program: Path) -> None:
    for path, data in libraries(program).items():
        layer.file(path.removeprefix("/"), data, mode=0o755)


def _programs(packages: Packages, shell: Tar) -> dict[str, Image]:
    """Return images whose containers the specs talk to."""
    nginx = packages.tree / "usr/sbin/nginx"
    web = Tar().file("usr/sbin/nginx", nginx.read_bytes(), mode=0o755)
    _libraries(web, nginx)
    for name in ("var/lib", "var/lib/nginx", "var/log", "var/log/nginx", "etc/nginx"):
        web.directory(name)
    serve = ["nginx", "-g", "daemon off;"]
    httpd = Tar().file("usr/sbin/serve", _HTTPD, mode=0o755)
    default_user = Tar().file("etc/passwd", _PASSWD + b"default-user:x:1000:1000::/:/bin/sh\n")
    default_user.file("etc/group", _GROUP + b"group-defined-in-image:x:50000:default-user\n")
    e2e = "e2e-test-images"
    return {
        f"{e2e}/busybox:1.29-2": _image(shell, Cmd=["sh"]),
        f"{e2e}/nginx:1.14-2": _image(shell, web, _port(80), Cmd=serve),
        f"{STAGING}/hostnet-nginx-{_goarch()}:latest": _image(shell, web, _port(12003), Cmd=serve),
        f"{e2e}/httpd:2.4.39-4": _image(shell, httpd, Cmd=["serve"]),
        f"{e2e}/nonewprivs:1.3": nonewprivs(),
        f"{STAGING}/test-image-predefined-group:latest": _image(
            shell, default_user, Cmd=["sh"], User="1000"
        ),
        "pause:3.9": _image(shell, _named("pause"), Entrypoint=["sleep", "86400"]),
    }


def nonewprivs() -> Image:
    """Return an image of a setuid program that prints its effective user.

    It is this machine's dash, with its libraries.
    """
    dash = Path("/bin/dash").resolve()
    layer = Tar().file("nnp", dash.read_bytes(), mode=0o4755)
    _libraries(layer, dash)
    return _image(layer, Entrypoint=["/nnp", "-p", "-c", _EFFECTIVE])


def _users(shell: Tar) -> dict[str, Image]:
    """Return images whose user is checked; they are not run."""
    users = {
        "uid": "1002",
        "username": "www-data",
        "uid-group": "1003:1004",
        "username-group": "www-data:1004",
    }
    return {
        f"{STAGING}/test-image-user-{name}:latest": _image(
            shell, _named(f"user-{name}"), Cmd=["sh"], User=user
        )
        for name, user in users.items()
    }


def _told_apart(shell: Tar) -> dict[str, Image]:
    """Return images whose names, tags and ids are checked; only the three tags have one image."""
    each = {name: _image(shell, _named(name), Cmd=["sh"]) for name in _DIFFERENT}
    one = _image(shell, _named("tags"), Cmd=["sh"])
    each |= {f"tags:{tag}": one for tag in (1, 2, 3)}
    return {f"{STAGING}/test-image-{name}": image for name, image in each.items()}


def _image(*layers: Tar | bytes, **config: Any) -> Image:
    return Image([_bytes(layer) for layer in layers], {"Env": PATH_ENV, **config}, docker=True)


def _bytes(layer: Tar | bytes) -> bytes:
    return layer.bytes() if isinstance(layer, Tar) else layer


def _named(name: str) -> Tar:
    """Return a layer that makes an image different from all others."""
    return Tar().file(f"is-{name.replace(':', '-')}")


def _port(number: int) -> Tar:
    return Tar().file("etc/nginx/nginx.conf", _NGINX_CONF % number)


def _goarch() -> str:
    return host_architecture(platform.machine())
