"""The first process of a cluster's namespaces: makes its network, and keeps its programs running.

    python -m hack.clusterlib.supervisor

A program that ends is restarted after half a second, as a service manager would do; so a test may
kill any of them. SIGTERM ends the kubelet, then the pods, then cri-shim. When this process ends,
the kernel ends all others, because it is the first process of the pid namespace.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from hack.clusterlib.place import CONSTANTS, NODE_IP, Place
from hack.clusterlib.programs import Command, commands

_PAUSE_S = 0.5  # before a program that ended is started again
_END_S = 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGCHLD)


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    place = Place.of_environment()
    try:
        make_mounts(place)
        make_network()
    except subprocess.CalledProcessError as e:
        sys.exit(f"`{' '.join(e.cmd)}` failed: {e.stderr.strip()}")
    programs = Programs(place, commands(place))
    programs.keep_running()
    programs.end("kubelet")
    programs.end_runtime("cri-shim")


class Programs:
    """The programs of a cluster, as children of this process."""

    def __init__(self, place: Place, commands: Mapping[str, Command]) -> None:
        self._place = place
        self._commands = commands
        self._pids: dict[int, str] = {}
        self._due = dict.fromkeys(commands, 0.0)  # name -> the time of its start

    def keep_running(self) -> None:
        """Start every program, and restart it when it ends, until SIGTERM; also reap orphans."""
        while True:
            for name in [name for name, at in self._due.items() if at <= time.monotonic()]:
                self._start(name)
                del self._due[name]
            received = signal.sigtimedwait(_SIGNALS, _PAUSE_S)
            if received is not None and received.si_signo == signal.SIGTERM:
                return
            for name in self._reap():
                self._due[name] = time.monotonic() + _PAUSE_S

    def end(self, name: str) -> None:
        """Send SIGTERM, and SIGKILL after a while; return when the program has ended."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in [pid for pid, running in self._pids.items() if running == name]:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            limit = time.monotonic() + _END_S
            while name in self._pids.values() and time.monotonic() < limit:
                signal.sigtimedwait(_SIGNALS, 0.1)
                self._reap()

    def end_runtime(self, name: str) -> None:
        """Remove the pods, then end the program that is their runtime."""
        with suppress(Exception):  # the pods' processes end with the namespace in any case
            asyncio.run(remove_pods(self._place.socket))
        self.end(name)

    def _start(self, name: str) -> None:
        command = self._commands[name]
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        log = str(self._place.log(name))
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        pid = os.posix_spawnp(
            command[0], command, os.environ, file_actions=actions, setsid=True, setsigmask=()
        )
        self._pids[pid] = name
        self._place.pid_file(name).write_text(str(pid))

    def _reap(self) -> list[str]:
        """Reap every child that ended; return the names of those that are programs."""
        ended = []
        with suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                if pid in self._pids:
                    ended.append(self._pids.pop(pid))
        return ended


def make_mounts(place: Place) -> None:
    """Private directories at paths that are constants of the kubelet; the root is made shared.

    /var/lib gets a writable layer: nothing has to be made in the machine's own one, and a mount in
    it must not be removed with a directory by another program.
    """
    _run("mount", "--make-rprivate", "/")
    overlay(place, "/var/lib")
    for constant in CONSTANTS:
        own = place / constant.removeprefix("/").replace("/", "-")
        own.mkdir()
        Path(constant).mkdir(exist_ok=True)
        _run("mount", "--bind", str(own), constant)
    _run("mount", "--make-rshared", "/")


def overlay(place: Place, directory: str) -> None:
    """Make a directory of the machine writable, and keep the written files in the place."""
    name = directory.removeprefix("/").replace("/", "-")
    upper, work = place / f"upper-{name}", place / f"work-{name}"
    upper.mkdir()
    work.mkdir()
    options = f"lowerdir={directory},upperdir={upper},workdir={work}"
    _run("mount", "-t", "overlay", "-o", options, "overlay", directory)


def make_network() -> None:
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "node0", "type", "veth", "peer", "name", "outside")
    _run("ip", "address", "add", f"{NODE_IP}/24", "dev", "node0")
    _run("ip", "link", "set", "node0", "up")
    _run("ip", "link", "set", "outside", "up")
    _run("ip", "route", "add", "default", "dev", "node0")
    for name in ("net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet"):
        Path("/proc/sys", name).write_text("1")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True)


async def remove_pods(socket: Path) -> None:
    async with Client(socket) as client:
        pods = (await client.runtime.ListPodSandbox(api.ListPodSandboxRequest())).items
        requests = [api.RemovePodSandboxRequest(pod_sandbox_id=pod.id) for pod in pods]
        calls = [client.runtime.RemovePodSandbox(r, timeout=_END_S) for r in requests]
        await asyncio.gather(*calls, return_exceptions=True)


if __name__ == "__main__":
    main()
