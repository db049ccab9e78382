"""The namespaces of a node: they start and end with the process that supervises its programs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cri_shim.linux import process
from hack.clusterlib.place import ClusterError, Place

KINDS = ("mount", "net", "pid")
_MODULE = "hack.clusterlib.supervisor"


def start(
    place: Place,
    environment: Mapping[str, str],
    module: str = _MODULE,
    kinds: Sequence[str] = KINDS,
) -> None:
    """Run a module as the first process of new namespaces, and record its pid."""
    command = ["unshare", "--fork", "--mount-proc", "--propagation=private"]
    command += [f"--{kind}" for kind in kinds]
    with place.log("supervisor").open("ab") as log:
        outer = subprocess.Popen(
            [*command, sys.executable, "-m", module],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    limit = time.monotonic() + 10
    while not (inner := children.read_text().split()):
        if outer.poll() is not None or time.monotonic() > limit:
            raise ClusterError(f"no namespaces: {place.log('supervisor').read_text()}")
        time.sleep(0.02)
    note_supervisor(place, int(inner[0]))


def note_supervisor(place: Place, pid: int) -> None:
    (place / "supervisor.pid").write_text(f"{pid} {process.start_time(pid) or 0}")


def supervisor(place: Place) -> int:
    """Return the pid of the supervisor; 0 if it does not run."""
    try:
        pid, start = map(int, (place / "supervisor.pid").read_text().split())
    except (OSError, ValueError):
        return 0
    return pid if process.alive(pid, start) else 0


def entering(pid: int, kinds: Sequence[str] = KINDS) -> list[str]:
    """Return the beginning of a command line that runs in the namespaces of a process."""
    return ["nsenter", f"--target={pid}", *(f"--{kind}" for kind in kinds)]


def end(place: Place, limit_s: float) -> None:
    """End the supervisor; all processes in its namespaces end with it."""
    for number, limit in ((signal.SIGTERM, limit_s), (signal.SIGKILL, 10.0)):
        until = time.monotonic() + limit
        while (pid := supervisor(place)) and time.monotonic() < until:
            with suppress(ProcessLookupError):
                os.kill(pid, number)  # repeated: the kernel drops it until the process waits for it
            _await_end(place, 1.0)


def _await_end(place: Place, limit_s: float) -> None:
    until = time.monotonic() + limit_s
    while supervisor(place) and time.monotonic() < until:
        time.sleep(0.05)
