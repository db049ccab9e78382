"""The mounts and cgroups that the namespaces have for themselves."""

import subprocess
from pathlib import Path

from hack.clusterlib.place import NODE_IP, Place
from hack.clusterlib.supervisor import overlay

HOSTNAME = "node-e2e"
HANDLER = "test-handler"  # of a RuntimeClass; the suite expects it to be configured
RESOLV_CONF = f"nameserver {NODE_IP}\n"  # it refuses at once
REGISTRY = "127.0.0.1:5001"  # the suite's own registry takes port 5000 of every address

CLONE_NEWCGROUP = 0x02000000
_CGROUPS = Path("/sys/fs/cgroup")
# Paths outside the directory of the run that the suite, the kubelet and containerd write to.
_OWN = ("/tmp", "/run/containerd", "/run/netns", "/run/cdi")
CDI = Path("/run/cdi")  # made for the mount if it is missing; a device plugin of the suite uses it
_LEAF = "programs"


def make_mounts(place: Place) -> None:
    """Mount own directories at fixed paths; /etc becomes writable, and its changes are dropped."""
    for path in (path for path in _OWN if Path(path).is_dir()):
        own = place / f"own{path.replace('/', '-')}"
        own.mkdir()
        own.chmod(0o1777 if path == "/tmp" else 0o755)
        _run("mount", "--bind", str(own), path)
    overlay(place, "/etc")
    # Names resolve at once: the kubelet waits for the answer when it registers the node.
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n{NODE_IP} {HOSTNAME}\n")
    Path("/etc/resolv.conf").unlink(missing_ok=True)
    Path("/etc/resolv.conf").write_text(RESOLV_CONF)
    # A spec looks here, whatever the runtime is, for the name of the handler that it needs.
    Path("/etc/containerd").mkdir(exist_ok=True)
    Path("/etc/containerd/config.toml").write_text(f"# runtimes.{HANDLER}\n")


def enter_cgroups(place: Place) -> None:
    """Move this process into the cgroup of the run, in every hierarchy, before a new namespace.

    A v1 cpuset accepts no process before it has CPUs and memory nodes.
    """
    for top in _hierarchies():
        group = top / place.cgroup.removeprefix("/")
        _inherit_cpuset(group)
        (group / "cgroup.procs").write_text("0")


def mount_cgroups() -> None:
    """Mount every hierarchy again after a new cgroup namespace, with the run's cgroup as its root.

    The programs get a cgroup below it: under cgroup v2 a cgroup with processes has no controllers.
    """
    for top in _hierarchies():
        mount = _mount_command(top)
        _run("umount", str(top))
        _run(*mount)
        leaf = top / _LEAF
        leaf.mkdir(exist_ok=True)
        _inherit_cpuset(leaf)
        (leaf / "cgroup.procs").write_text("0")


def joining(command: list[str]) -> list[str]:
    """Return a command line that first joins the programs' cgroup of every hierarchy."""
    groups = " ".join(f"{top}/{_LEAF}/cgroup.procs" for top in _hierarchies())
    script = f'for group in {groups}; do echo 0 >"$group"; done; exec "$@"'
    return ["sh", "-ec", script, "sh", *command]


def _hierarchies() -> list[Path]:
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return sorted(d for d in _CGROUPS.iterdir() if d.is_mount() and not d.is_symlink())


def _mount_command(top: Path) -> list[str]:
    """Return the command that mounts the hierarchy again in the same way."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        kind, source, options = rest.split()
        if fields.split()[4] == str(top) and kind in ("cgroup", "cgroup2"):
            words = [o for o in options.split(",") if o not in ("rw", "ro")]
            if any(word.startswith("name=") for word in words):
                words.insert(0, "none")
            with_options = ["-o", ",".join(words)] if words and kind == "cgroup" else []
            return ["mount", "-t", kind, *with_options, source, str(top)]
    raise RuntimeError(f"{top} is no control group hierarchy")


def _inherit_cpuset(group: Path) -> None:
    for name in ("cpuset.cpus", "cpuset.mems"):
        own, parents = group / name, group.parent / name
        if (
            own.exists()
            and not (group / "cgroup.controllers").exists()
            and not own.read_text().strip()
        ):
            own.write_text(parents.read_text())


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True)
