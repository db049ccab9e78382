"""A slow link for pulls: the loopback interface of a network namespace that only the bench has.

The process enters a new namespace, which its children share and which ends with them. So nothing
has to be removed, and no traffic of the machine is slowed down.
"""

import http.client
import subprocess
import time
from collections.abc import Sequence

from cri_shim.linux import syscalls

MBIT = 200  # a second
ROUND_TRIP_MS = 20
_ETHERNET = 1500  # bytes of a packet
_QUEUE = 10_000  # packets: more than the link holds at once
_PIECE = 1 << 18  # bytes
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_ADD = ("tc", "qdisc", "add", "dev", "lo", "root")


def enter() -> str:
    """Go to a new network namespace, whose loopback interface is as slow as the link; describe it.

    A kernel without netem can limit the rate, but not delay packets.
    """
    syscalls.unshare(syscalls.CLONE_NEWNET)
    _run("ip", "link", "set", "lo", "up", "mtu", str(_ETHERNET))
    once = ROUND_TRIP_MS / 2  # a packet and its answer both pass the interface
    rate = f"{MBIT}mbit"
    netem = ["netem", "delay", f"{once:g}ms", "rate", rate, "limit", str(_QUEUE)]
    if not _fails(*_ADD, *netem):
        return f"{MBIT} Mbit/s, round trip {ROUND_TRIP_MS} ms"
    _run(*_ADD, "tbf", "rate", rate, "burst", "128kb", "latency", "100ms")
    return f"{MBIT} Mbit/s; no delay, because this kernel has no netem"


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
    """Return the bytes that the loopback interface of this namespace has carried."""
    with open("/proc/thread-self/net/dev") as file:  # noqa: PTH123
        line = next(line for line in file if line.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[0])
