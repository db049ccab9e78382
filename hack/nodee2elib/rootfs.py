"""The file system of most stand-ins: a Debian with the programs that the suite calls."""

import subprocess
from pathlib import Path

SUITE = "trixie"
# The programs of the public agnhost, nginx and ipc-utils images; perl-base and util-linux are
# there.
_PACKAGES = (
    *("curl", "iproute2", "netcat-openbsd", "socat", "bind9-dnsutils", "iputils-ping", "procps"),
    *("iperf", "bash-static", "busybox-static", "nginx-light"),
)
_LEFT_OUT = ("./var/lib/apt", "./var/cache", "./usr/share/doc", "./usr/share/locale", "./dev")
_INSTALL = f"""
apt-get update -qq
apt-get install -qq -y --no-install-recommends {" ".join(_PACKAGES)}
"""


def make(tree: Path) -> None:
    """Make the tree; RuntimeError if the packages cannot be installed."""
    subprocess.run(["hack/tools/debian-tree", SUITE, tree], check=True)
    policy = tree / "usr/sbin/policy-rc.d"  # no service is started
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    done = subprocess.run(
        ["chroot", tree, "sh", "-ec", f"export DEBIAN_FRONTEND=noninteractive\n{_INSTALL}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the packages of the images cannot be installed:\n{done.stdout}")


def layer(tree: Path) -> bytes:
    """Return the tree as the tar of a layer; the same tree gives the same bytes."""
    command = [
        "tar",
        "-C",
        str(tree),
        "--numeric-owner",
        "--sort=name",
        "--mtime=@1600000000",
        "-c",
    ]
    command += [f"--exclude={name}" for name in _LEFT_OUT]
    return subprocess.run([*command, "."], check=True, stdout=subprocess.PIPE).stdout
