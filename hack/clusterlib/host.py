"""Changes of a cluster outside its namespaces, and their restoration."""

import json
import os
import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from hack.clusterlib.place import CONSTANTS, Place

_CGROUPS = Path("/sys/fs/cgroup")
_HUGETLB = _CGROUPS / "hugetlb"
_EMPTY_LIMIT_S = 10.0  # processes of an ended namespace need a moment to disappear
# Settings of the whole machine that the kubelet writes.
_SETTINGS = (
    *("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"),
    *("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"),
)


def save(place: Place) -> None:
    """Record the state of the machine, and make the directories that the kubelet expects."""
    made = [path for path in CONSTANTS if not Path(path).exists()]
    for path in made:
        Path(path).mkdir(parents=True)
    values = {name: Path("/proc/sys", name).read_text() for name in _SETTINGS}
    saved = {"made": made, "settings": values, "mounted": _mount_hugetlb()}
    (place / "host.json").write_text(json.dumps(saved))


def restore(place: Place) -> None:
    with suppress(FileNotFoundError):
        saved = json.loads((place / "host.json").read_text())
        for name, value in saved["settings"].items():
            Path("/proc/sys", name).write_text(value)
        for path in saved["made"]:
            with suppress(OSError):
                Path(path).rmdir()
        if saved["mounted"] and subprocess.run(["umount", _HUGETLB], check=False).returncode == 0:
            _HUGETLB.rmdir()


def _mount_hugetlb() -> bool:
    """Mount hugetlb: crun needs every v1 hierarchy of the kernel; some machines lack this one."""
    has_v1 = (_CGROUPS / "memory").exists()
    known = re.search(r"^hugetlb\s", Path("/proc/cgroups").read_text(), re.MULTILINE)
    if not has_v1 or not known or _HUGETLB.is_mount():
        return False
    _HUGETLB.mkdir(exist_ok=True)
    mount = ["mount", "-t", "cgroup", "-o", "hugetlb", "cgroup", str(_HUGETLB)]
    return subprocess.run(mount, check=False).returncode == 0


def _cgroups(place: Place) -> list[Path]:
    """Return the cluster's cgroup in every hierarchy."""
    v2_alone = (_CGROUPS / "cgroup.controllers").exists()
    tops = [_CGROUPS] if v2_alone else [d for d in _CGROUPS.iterdir() if d.is_dir()]
    return [top / place.cgroup.removeprefix("/") for top in tops]


def make_cgroups(place: Place) -> None:
    """Make the cluster's cgroup; the kubelet makes only cgroups below it."""
    for group in _cgroups(place):
        group.mkdir(exist_ok=True)


def remove_cgroups(place: Place) -> None:
    """Remove the cgroups, also those of pods, innermost first; wait until they are empty."""
    limit = time.monotonic() + _EMPTY_LIMIT_S
    while left := [group for group in _cgroups(place) if group.exists()]:
        for group in left:
            for directory, _, _ in os.walk(group, topdown=False):
                with suppress(OSError):
                    Path(directory).rmdir()
        if time.monotonic() > limit:
            return
        time.sleep(0.05)
