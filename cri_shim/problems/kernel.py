"""The kernel of the node: file systems, namespaces, control groups, and settings of its network."""

import platform
import re
from pathlib import Path

from cri_shim.config.user import unprivileged_user
from cri_shim.isolation.hierarchies import Hierarchies
from cri_shim.problems.finding import Finding, Level

OLDEST = (5, 10)  # the oldest kernel that is tried
_IDMAPPED = (5, 19)  # from here on an overlay can be of idmapped mounts
_NEEDED = ("cpu", "memory", "pids")  # the controllers without which a pod has no limits
_PROC, _SYS = Path("/proc"), Path("/sys")


def look(proc: Path = _PROC, sys: Path = _SYS) -> list[Finding]:
    """Return what was found of the kernel; files are read, nothing else."""
    release = platform.release()
    return [
        _version(release),
        _file_system(proc, sys, release, "overlay", Level.FAILS, "root file systems are overlays"),
        _file_system(proc, sys, release, "erofs", Level.NOTE, "layers are kept as directories"),
        _user_namespaces(proc, release),
        control_groups(),
        *(_network(proc) if unprivileged_user() is None else ()),
    ]


def version(release: str) -> tuple[int, int]:
    """Return major and minor of a kernel's release; (0, 0) for a text that has none."""
    match = re.match(r"(\d+)\.(\d+)", release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _version(release: str) -> Finding:
    if version(release) >= OLDEST:
        return Finding("kernel", Level.OK, release)
    oldest = ".".join(map(str, OLDEST))
    return Finding("kernel", Level.WARNING, f"{release} is older than {oldest}", "use a newer one")


def _file_system(proc: Path, sys: Path, release: str, name: str, level: Level, why: str) -> Finding:
    """A file system that the kernel has, or loads as a module at the first mount."""
    known = {line.split()[-1] for line in _text(proc / "filesystems").splitlines() if line.strip()}
    if name in known or (sys / "module" / name).is_dir():
        return Finding(name, Level.OK, "in the kernel")
    modules = Path("/lib/modules", release)
    listed = _text(modules / "modules.dep") + _text(modules / "modules.builtin")
    if re.search(rf"/{name}\.ko", listed):
        return Finding(name, Level.OK, "a module, loaded at the first use")
    sentence = f"the kernel has no {name} file system: {why}"
    return Finding(name, level, sentence, f"modprobe {name}, or use a kernel that has it")


def _user_namespaces(proc: Path, release: str) -> Finding:
    most = _text(proc / "sys/user/max_user_namespaces").strip()
    if most.isdecimal() and int(most) > 0:
        if version(release) >= _IDMAPPED:
            return Finding("user namespaces", Level.OK, "available, with idmapped mounts")
        since = ".".join(map(str, _IDMAPPED))
        sentence = f"available; layers are copied for them, as this kernel is older than {since}"
        return Finding("user namespaces", Level.OK, sentence)
    rootless = unprivileged_user() is not None
    return Finding(
        "user namespaces",
        Level.FAILS if rootless else Level.NOTE,
        "the kernel allows no user namespaces: pods with hostUsers: false are refused",
        "sysctl user.max_user_namespaces=65536" if most else "use a kernel with CONFIG_USER_NS",
    )


def control_groups() -> Finding:
    """The control groups that limit pods."""
    trees = Hierarchies()
    what = "control groups"
    if not trees.all():
        sentence = "no control groups are mounted at /sys/fs/cgroup: no pod can run"
        return Finding(what, Level.FAILS, sentence, "mount -t cgroup2 cgroup2 /sys/fs/cgroup")
    controllers, two = trees.controllers(), trees.v2_only()
    missing = [name for name in _NEEDED if name not in controllers]
    if (
        not missing or unprivileged_user() is not None
    ):  # a user's limits are a finding of the daemon
        names = " ".join(sorted(controllers)) or "no controllers"
        return Finding(what, Level.OK, f"v{2 if two else 1}: {names}")
    sentence = f"the kernel has no controller {', '.join(missing)}: pods are not limited by it"
    remedy = "remove cgroup_disable= from the kernel's command line, or enable the controller"
    return Finding(what, Level.WARNING, sentence, remedy)


def _network(proc: Path) -> list[Finding]:
    return [
        _switch(
            "ip_forward",
            proc / "sys/net/ipv4/ip_forward",
            "pods cannot reach other networks",
            "sysctl -w net.ipv4.ip_forward=1 (the network of cri-shim does it at its first pod)",
        ),
        _switch(
            "br_netfilter",
            proc / "sys/net/bridge/bridge-nf-call-iptables",
            "Services of Kubernetes by iptables do not reach pods on the same bridge",
            "modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-iptables=1",
        ),
    ]


def _switch(what: str, file: Path, without: str, remedy: str) -> Finding:
    value = _text(file).strip()
    if value == "1":
        return Finding(what, Level.OK, "on")
    state = "off" if value else "not loaded"
    return Finding(what, Level.NOTE, f"{what} is {state}: {without}", remedy)


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
