"""Bring a cluster up, take it down, run commands inside it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hack.clusterlib import files, images
from hack.clusterlib.place import CONSTANTS, NODE, Place

UP_LIMIT_S = 180.0
_DOWN_LIMIT_S = 90.0
_NAMESPACES = ("mount", "net", "pid")
_HUGETLB = Path("/sys/fs/cgroup/hugetlb")
# Settings of the whole machine that the kubelet writes.
_HOST_SETTINGS = (
    *("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"),
    *("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"),
)


class ClusterError(Exception):
    """A sentence for the person who called."""


def up(place: Place) -> None:
    """Make the directory, start everything, return when the node is Ready."""
    if pid := supervisor(place):
        raise ClusterError(f"a cluster runs in {place.directory} (pid {pid}): `down` ends it")
    if place.directory.exists():
        raise ClusterError(f"{place.directory} is left from an earlier cluster: `down` removes it")
    place.directory.mkdir(mode=0o711, parents=True)
    try:
        _save_host(place)
        _make_cgroups(place)
        files.write(place)
        images.store(place)
        _start_supervisor(place)
        _await_ready(place)
    except BaseException:
        down(place, keep_logs=True)
        raise


def down(place: Place, *, keep_logs: bool = False) -> None:
    """End every program and pod, and remove all that was made; does nothing where nothing is."""
    if pid := supervisor(place):
        os.kill(pid, signal.SIGTERM)
        limit = time.monotonic() + _DOWN_LIMIT_S
        while supervisor(place) and time.monotonic() < limit:
            time.sleep(0.1)
        if supervisor(place):
            os.kill(pid, signal.SIGKILL)
    if keep_logs and (place / "log").exists():
        kept = Path(f"{place.directory}-log")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(place / "log", kept)
        print(f"cluster: the logs are kept in {kept}", file=sys.stderr)
    _remove_cgroups(place)
    _restore_host(place)
    shutil.rmtree(place.directory, ignore_errors=True)
    if place.directory.exists():
        raise ClusterError(f"{place.directory} cannot be removed: is something mounted in it?")


def run(place: Place, command: Sequence[str]) -> int:
    """Run a command in the namespaces of the cluster, with its kubectl and crictl settings."""
    pid = supervisor(place)
    if not pid:
        raise ClusterError(f"no cluster runs in {place.directory}: `up` starts one")
    enter = ["nsenter", f"--target={pid}", *(f"--{kind}" for kind in _NAMESPACES)]
    enter.append(f"--wdns={Path.cwd()}")
    return subprocess.run([*enter, *command], env=environment(place), check=False).returncode


def environment(place: Place) -> dict[str, str]:
    """Without proxies: they would take what is sent to the API server and to pods."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return kept | {
        "PATH": f"{place.programs}:{kept['PATH']}",
        "KUBECONFIG": str(place.kubeconfig),
        "CONTAINER_RUNTIME_ENDPOINT": f"unix://{place.socket}",
        "CRI_SHIM_CLUSTER": str(place.directory),
        "CRI_SHIM_CLUSTER_PROGRAMS": str(place.programs),
    }


def supervisor(place: Place) -> int:
    """The pid of the cluster's supervisor; 0 if it does not run."""
    try:
        pid = int((place / "supervisor.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return 0
    return pid if b"hack.clusterlib.supervisor" in command and state != "Z" else 0


def _start_supervisor(place: Place) -> None:
    command = ["unshare", "--fork", "--mount-proc", "--propagation=private"]
    command += [f"--{kind}" for kind in _NAMESPACES]
    command += [sys.executable, "-m", "hack.clusterlib.supervisor"]
    with place.log("supervisor").open("ab") as log:
        outer = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(place),
            start_new_session=True,
        )
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    limit = time.monotonic() + 10
    while not (inner := children.read_text().split()):
        if outer.poll() is not None or time.monotonic() > limit:
            raise ClusterError(f"no namespaces: {place.log('supervisor').read_text()}")
        time.sleep(0.02)
    (place / "supervisor.pid").write_text(inner[0])


def _await_ready(place: Place) -> None:
    limit = time.monotonic() + UP_LIMIT_S
    command = ["kubectl", "get", "node", NODE, "-o", "json"]
    while True:
        pid = supervisor(place)
        if not pid:
            raise ClusterError(f"the supervisor ended: {place.log('supervisor').read_text()}")
        enter = ["nsenter", f"--target={pid}", "--mount", "--net"]
        done = subprocess.run(
            [*enter, *command], env=environment(place), capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and _is_ready(json.loads(done.stdout)):
            return
        if time.monotonic() > limit:
            raise ClusterError(f"the node is not Ready after {UP_LIMIT_S:g} s: {done.stderr}")
        time.sleep(0.5)


def _is_ready(node: dict[str, object]) -> bool:
    conditions = node["status"]["conditions"]  # type: ignore[index]
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _save_host(place: Place) -> None:
    made = [path for path in CONSTANTS if not Path(path).exists()]
    for path in made:
        Path(path).mkdir(parents=True)
    values = {name: Path("/proc/sys", name).read_text() for name in _HOST_SETTINGS}
    saved = {"made": made, "settings": values, "mounted": _mount_hugetlb()}
    (place / "host.json").write_text(json.dumps(saved))


def _mount_hugetlb() -> bool:
    """crun insists on every v1 hierarchy that the kernel has; some machines leave this one out."""
    has_v1 = (_HUGETLB.parent / "memory").exists()
    known = re.search(r"^hugetlb\s", Path("/proc/cgroups").read_text(), re.MULTILINE)
    if not has_v1 or not known or _HUGETLB.is_mount():
        return False
    _HUGETLB.mkdir(exist_ok=True)
    mount = ["mount", "-t", "cgroup", "-o", "hugetlb", "cgroup", str(_HUGETLB)]
    return subprocess.run(mount, check=False).returncode == 0


def _restore_host(place: Place) -> None:
    with suppress(FileNotFoundError):
        saved = json.loads((place / "host.json").read_text())
        for name, value in saved["settings"].items():
            Path("/proc/sys", name).write_text(value)
        for path in saved["made"]:
            with suppress(OSError):
                Path(path).rmdir()
        if saved["mounted"] and subprocess.run(["umount", _HUGETLB], check=False).returncode == 0:
            _HUGETLB.rmdir()


def _cgroups(place: Place) -> list[Path]:
    """The cluster's group in every hierarchy."""
    top = Path("/sys/fs/cgroup")
    tops = (
        [top] if (top / "cgroup.controllers").exists() else [d for d in top.iterdir() if d.is_dir()]
    )
    return [top / place.cgroup.removeprefix("/") for top in tops]


def _make_cgroups(place: Place) -> None:
    """The kubelet makes groups below its own one, but not that one."""
    for group in _cgroups(place):
        group.mkdir(exist_ok=True)


def _remove_cgroups(place: Place) -> None:
    """The pods' groups too, the innermost first; they are empty by now."""
    for group in _cgroups(place):
        for directory, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(directory).rmdir()
