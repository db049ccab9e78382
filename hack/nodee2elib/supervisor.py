"""The first process of the namespaces of a run: makes mounts, runs the registry and the runtime.

    python -m hack.nodee2elib.supervisor

A runtime that ends is started again, as a service manager would do. SIGTERM ends everything.
"""

import os
import signal
import socket
import subprocess
import sys

from cri_shim.linux import syscalls
from hack.clusterlib.place import Place
from hack.clusterlib.supervisor import Programs, make_mounts, make_network
from hack.nodee2elib import machine
from hack.nodee2elib.runtimes import RUNTIMES

RUNTIME = "CRI_SHIM_NODE_E2E_RUNTIME"  # the variable with the runtime's name


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGCHLD))
    place = Place.of_environment()
    try:
        machine.enter_cgroups(place)
        syscalls.unshare(machine.CLONE_NEWCGROUP)
        make_mounts(place)
        machine.make_mounts(place)
        machine.mount_cgroups()
        make_network()
    except subprocess.CalledProcessError as e:
        sys.exit(f"`{' '.join(e.cmd)}` failed: {e.stderr.strip()}")
    socket.sethostname(machine.HOSTNAME)
    commands = {
        "registry": ["docker-registry", "serve", str(place / "registry.json")],
        "runtime": RUNTIMES[os.environ[RUNTIME]].command(place),
    }
    programs = Programs(place, commands)
    programs.keep_running()
    programs.end_runtime("runtime")


if __name__ == "__main__":
    main()
