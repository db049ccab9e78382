"""A slow link for pulls, in a network namespace that only the bench has.

The process enters a new namespace, which its children share and which ends with them. So nothing
has to be removed, and no traffic of the machine is slowed down. The link is a program that carries
the packets of a TUN device, because not every kernel has netem.
"""

import atexit
import http.client
import subprocess
import sys
import time
from collections.abc import Sequence

from cri_shim.linux import syscalls
from hack.benchlib import reflector

MBIT = 200  # a second
ROUND_TRIP_MS = 20
_ETHERNET = 1500  # bytes of a packet
_PIECE = 1 << 18  # bytes
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def enter() -> str:
    """Go to a new network namespace with the link; describe it.

    A server that listens on `reflector.NEAR` is reached over the link at `reflector.FAR`.
    """
    syscalls.unshare(syscalls.CLONE_NEWNET)
    tun = reflector.device()
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "address", "add", f"{reflector.NEAR}/24", "dev", reflector.DEVICE)
    _run("ip", "link", "set", reflector.DEVICE, "up", "mtu", str(_ETHERNET))
    words = [str(tun), str(MBIT * 1e6 / 8), str(ROUND_TRIP_MS / 2 / 1000)]
    process = subprocess.Popen(
        [sys.executable, "-m", "hack.benchlib.reflector", *words], pass_fds=[tun]
    )
    atexit.register(process.kill)
    return f"{MBIT} Mbit/s for both directions together, round trip {ROUND_TRIP_MS} ms"


def _run(*words: str) -> None:
    if complaint := _fails(*words):
        raise RuntimeError(f"cannot make a slow link: {' '.join(words)}: {complaint}")


def _fails(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stderr.strip() or f"exit status {done.returncode}" if done.returncode else ""


def download(host: str, paths: Sequence[str]) -> float:
    """Return the seconds that a bare download of these takes, one after another."""
    connection = http.client.HTTPConnection(host)
    begin = time.monotonic()
    for path in paths:
        connection.request("GET", path, headers={"Accept": _MANIFEST})
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"{host}{path}: status {answer.status}")
        while answer.read(_PIECE):
            pass
    seconds = time.monotonic() - begin
    connection.close()
    return seconds


def received() -> int:
    """Return the bytes that the link has carried; 0 without one."""
    with open("/proc/thread-self/net/dev") as file:  # noqa: PTH123
        lines = [line for line in file if line.strip().startswith(f"{reflector.DEVICE}:")]
    return int(lines[0].split(":")[1].split()[0]) if lines else 0
