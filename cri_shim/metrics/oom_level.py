"""Whose memory limit was reached when the kernel killed a container for lack of memory.

Control groups v2 count it: `oom` in memory.events (of the group and those below) and in
memory.events.local (of the group itself). v1 counts in memory.failcnt how often a limit was
reached, and has the highest usage, which is at the limit then.
"""

from pathlib import Path

from cri_shim.isolation.control_groups import ControlGroups
from cri_shim.untrusted import read_file

CONTAINER, POD, NODE, UNKNOWN = "container", "pod", "node", "unknown"
LEVELS = (CONTAINER, POD, NODE, UNKNOWN)
_V1, _V2 = "memory.failcnt", "memory.events.local"
_V1_USAGE = ("memory.max_usage_in_bytes", "memory.limit_in_bytes")
_BATCH = 1 << 20  # bytes: pages are charged some at a time, for each processor
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
    """Return how often the limit of a group was reached; None if that cannot be read."""
    count = _count(file)
    if file.name == _V1 and not count:
        highest, limit = (_count(file.with_name(name)) for name in _V1_USAGE)
        if highest is not None and limit is not None and highest > limit - _BATCH:
            return 1
    return count


def _count(file: Path) -> int | None:
    try:
        text = read_file(file, _LIMIT).decode(errors="replace")
    except (OSError, ValueError):
        return None
    words = text.split()
    if file.name != _V2:
        return int(words[0]) if words and words[0].isdigit() else None
    counts = dict(zip(words[::2], words[1::2], strict=False))
    return int(counts["oom"]) if counts.get("oom", "").isdigit() else None
