"""Everything outside the daemon's memory that belongs to pods, containers and images.

A snapshot before a request and one after its failure must be the same.
"""

import hashlib
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cri_shim.isolation.cgroup_names import expand_slice
from cri_shim.linux import mounts
from tests.fixtures import systemd
from tests.fixtures.daemon import Daemon

_ID = re.compile(r"[0-9a-f]{64}")


def things(daemon: Daemon) -> set[str]:
    """Return lines for mounts, namespaces, addresses, interfaces, cgroups, processes, files."""
    found = {f"mount {target}" for target in mounts.mounts_below(daemon.directory)}
    found -= {f"mount {netns(daemon)}"}  # the directory itself, as `ip netns` makes it
    found |= {f"file {path}" for path in _files(daemon)}
    found |= {f"lease {path.name}" for path in daemon.root.glob("cni/networks/*/*.*.*.*")}
    found |= {f"interface {name}" for name in _interfaces(daemon)}
    found |= {f"process {line}" for line in _processes(daemon)}
    for directory, pids in _cgroups(daemon):
        found.add(f"cgroup {directory}")
        found |= {f"process {pid} in {directory}" for pid in pids}
    return found


def kill_all(daemon: Daemon) -> None:
    """Kill every process of the instance except the daemon, and remove their cgroups."""
    limit = time.monotonic() + 5
    while left := {pid for _, pids in _cgroups(daemon) for pid in pids} | _pids_of(daemon):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        assert time.monotonic() < limit, left
        time.sleep(0.01)
    for directory, _ in sorted(_cgroups(daemon), reverse=True):
        with suppress(FileNotFoundError):  # systemd removes its scopes itself
            Path(directory).rmdir()


def remove_parents(daemon: Daemon) -> None:
    """Remove the cgroups that a daemon removes when it is stopped, but not when it is killed."""
    for parent in _parents(daemon):
        parent.rmdir()


def _pids_of(daemon: Daemon) -> set[str]:
    return {line.split()[0] for line in _processes(daemon)}


def netns(daemon: Daemon) -> Path:
    """Return the directory of the network namespaces, which belongs to this instance only."""
    return Path(str(daemon.settings["network.netns_dir"]))


def cgroup(daemon: Daemon) -> str:
    """Return the prefix of the names of this instance's cgroups."""
    return f"cri-shim-{hashlib.sha256(bytes(daemon.run_root)).hexdigest()[:8]}"


def _files(daemon: Daemon) -> Iterator[Path]:
    places = [daemon.run_root / name for name in ("pods", "containers", "exec", "secrets")]
    places += [daemon.root / name for name in ("containers", "layers", "cni/results")]
    places += [daemon.root / "images" / name for name in ("layouts", "blobs/sha256")]
    places += [*(daemon.run_root / "oci").glob("*"), netns(daemon)]
    for place in places:
        yield from place.iterdir() if place.is_dir() else ()


def _interfaces(daemon: Daemon) -> Iterator[str]:
    ports = Path("/sys/class/net") / daemon.bridge / "brif"
    yield from (port.name for port in ports.iterdir()) if ports.is_dir() else ()


def _processes(daemon: Daemon) -> Iterator[str]:
    """Yield processes with the instance's path: conmon, OCI runtime, skopeo, CNI."""
    mark = os.fsencode(daemon.directory)
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if b"cri_shim\0--config" in command or int(entry.name) == os.getpid():
            continue  # the daemon, and this test
        if command.startswith((b"dpkg-query\0", b"sync\0")):
            continue  # some time after a start or a pull, and they end by themselves
        if mark in command or b"CRI_SHIM_NETWORK=" + mark in environment:
            line = command.replace(b"\0", b" ").decode(errors="replace")
            yield f"{entry.name} {line[:120]}"


def _cgroups(daemon: Daemon) -> Iterator[tuple[str, list[str]]]:
    """Yield each cgroup of a container, pause process or conmon of this instance, with its pids."""
    scopes = systemd.TREE.glob("**/cri-shim-*.scope") if systemd.is_running() else ()
    for top in (*_parents(daemon), *scopes):
        for directory, _, _ in os.walk(top):
            if _ID.search(directory):
                yield directory, _pids(Path(directory))


def _parents(daemon: Daemon) -> list[Path]:
    """Return this instance's cgroups in all trees; with systemd also the slice of its conmons."""
    name = cgroup(daemon)
    found = [*systemd.TREE.glob(f"*/{name}*"), *systemd.TREE.glob(f"{name}*")]
    monitors = systemd.TREE / expand_slice(f"{name}-conmon.slice")
    return [*found, monitors] if monitors.exists() else found


def _pids(group: Path) -> list[str]:
    try:
        return (group / "cgroup.procs").read_text().split()
    except OSError:
        return []
