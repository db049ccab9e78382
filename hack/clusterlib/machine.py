"""The requirements of a cluster to the machine; each missing one is a sentence."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

_TOOLS = {
    "docker-registry": "docker-registry",
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "unshare": "util-linux",
}
_CONTROLLERS = ("cpu", "memory", "pids")
_DISK_MB = 1500
_MEMORY_MB = 2000

# A command that must work in a network namespace -> the kernel feature that it needs.
_NETWORK = {
    "ip link add name veth0 type veth peer name veth1": "veth devices (module veth)",
    "ip link add name bridge0 type bridge": "bridges (module bridge)",
    "nft add table inet t": "nf_tables, which kube-proxy needs (module nf_tables)",
}


def problems(directory: Path, root: Path = Path("/")) -> Iterator[str]:
    """Yield each reason why no cluster can be made in `directory` on the machine with this root."""
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            yield f"there is no {tool}; install the package {package}"
    if "\toverlay\n" not in (root / "proc/filesystems").read_text():
        yield "the kernel has no overlay file system; load the module overlay"
    present = _controllers(root / "sys/fs/cgroup")
    for name in _CONTROLLERS:
        if name not in present:
            yield f"the control group controller {name} is not mounted"
    yield from _short(directory, root / "proc/meminfo")
    yield from _namespaces()


def _controllers(top: Path) -> set[str]:
    """Return the controllers of version 2, or of version 1, where one mount may have several."""
    if (top / "cgroup.controllers").exists():
        return set((top / "cgroup.controllers").read_text().split())
    return {name for d in top.iterdir() if d.is_dir() for name in d.name.split(",")}


def _short(directory: Path, meminfo: Path) -> Iterator[str]:
    nearest = next(d for d in directory.parents if d.exists())
    free = shutil.disk_usage(nearest).free >> 20
    if free < _DISK_MB:
        yield f"{nearest} has {free} MB free, and a cluster needs {_DISK_MB}; use --directory DIR"
    words = meminfo.read_text().partition("MemAvailable:")[2].split()
    available = int(words[0]) >> 10
    if available < _MEMORY_MB:
        yield f"{available} MB of memory are available, and a cluster needs {_MEMORY_MB}"


def _namespaces() -> Iterator[str]:
    enter = ("unshare", "--net", "--mount", "--pid", "--fork")
    if shutil.which("unshare") is None:
        return
    if error := _error(*enter, "true"):
        yield f"no network, mount and pid namespace can be made: {error}"
        return
    for command, lacking in _NETWORK.items():
        if shutil.which(command.split()[0]) and (error := _error(*enter, *command.split())):
            yield f"the kernel has no {lacking}: {error}"


def _error(*command: str) -> str:
    """Return the command's error message; "" if it succeeds."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"
