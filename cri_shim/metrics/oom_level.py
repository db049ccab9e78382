"""Whose memory limit was reached when the kernel killed a container for lack of memory.

Control groups v2 count it: `oom` in memory.events (of the group and those below) and in
memory.events.local (of the group itself). v1 counts how often a limit was reached, which is the best hint that it has:
in memory.failcnt, and for memory and swap together in memory.memsw.failcnt.
"""

from pathlib import Path

from cri_shim.isolation.control_groups import ControlGroups
from cri_shim.untrusted import read_file

CONTAINER, POD, NODE, UNKNOWN = "container", "pod", "node", "unknown"
LEVELS = (CONTAINER, POD, NODE, UNKNOWN)
_V1, _V2 = "memory.failcnt", "memory.events.local"
_V1_WITH_SWAP = "memory.memsw.failcnt"  # is reached first if both limits are equal
_LIMIT = 4096  # bytes of a file


def oom_level(cgroups: ControlGroups, oci_path: str) -> str:
    """Return the level of the last kill in the group of a container that has just ended."""
    if not oci_path:
        return UNKNOWN
    file = cgroups.file(oci_path, "memory", _V1, _V2)
    if file is None:
        return UNKNOWN
    own, above = _reached(file), _reached(file.parent.parent / file.name)
    if own:
        return CONTAINER
    if above:
        return POD
    # systemd removes a group with its last process: then its count is not known.
    return UNKNOWN if own is None else NODE


def _reached(file: Path) -> int | None:
    """Return how often a limit of a group was reached; None if that cannot be read."""
    if file.name == _V1:
        both = (_count(file), _count(file.with_name(_V1_WITH_SWAP)))
        return None if both == (None, None) else sum(filter(None, both))
    return _count(file)


def _count(file: Path) -> int | None:
    try:
        text = read_file(file, _LIMIT).decode(errors="replace")
    except (OSError, ValueError):
        return None
    words = text.split()
    if file.name in (_V1, _V1_WITH_SWAP):
        return int(words[0]) if words and words[0].isdigit() else None
    counts = dict(zip(words[::2], words[1::2], strict=False))
    return int(counts["oom"]) if counts.get("oom", "").isdigit() else None
