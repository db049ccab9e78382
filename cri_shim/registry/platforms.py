"""The choice among the images of an index: this machine's architecture, its nearest variant; pure.

A variant is a level of the processor: a machine runs the images of its own level and of lower ones.
Only the machine's own architecture is taken, although some processors run others, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cri_shim.untrusted import parse_json, printable

# Flags in /proc/cpuinfo that each level of x86-64 adds, by the psABI.
_LEVELS = (
    ("v2", {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"}),
    ("v3", {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}),
    ("v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
)
_FIRST = {"amd64": "v1", "arm64": "v8", "arm": "v7"}  # the variant of an entry that names none
_ARM = {"armv8l": 8, "aarch64": 8, "armv7l": 7, "armv6l": 6, "armv5tel": 5, "armv5tejl": 5}
_ATTESTATION = "vnd.docker.reference.type"


def variants(architecture: str, machine: str, cpuinfo: str) -> tuple[str, ...]:
    """Return the variants that this machine runs, nearest first; empty: any.

    `machine` is uname's name, `cpuinfo` the content of /proc/cpuinfo.
    """
    if architecture == "amd64":
        return (*reversed(_amd64_levels(cpuinfo)), "v1")
    if architecture == "arm64":
        return ("v8",)
    if architecture == "arm":
        return tuple(f"v{level}" for level in range(_ARM.get(machine, 7), 4, -1))
    return ()


def _amd64_levels(cpuinfo: str) -> list[str]:
    line = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    flags = set(line.partition(":")[2].split())
    found = []
    for level, needed in _LEVELS:
        if not needed <= flags:
            break
        found.append(level)
    return found


def choices(
    entries: Iterable[Mapping[str, Any]], architecture: str, usable: Sequence[str]
) -> list[Mapping[str, Any]]:
    """Return the entries of an index to try, best first.

    Entries with the platform of this machine come first, nearest variant before others and in the
    index's order. Entries that tell no platform, nested indexes for instance, come after them.
    """
    ranked = [
        (rank, number, entry)
        for number, entry in enumerate(entries)
        if (rank := _rank(entry, architecture, usable)) is not None
    ]
    return [entry for _, _, entry in sorted(ranked, key=lambda item: item[:2])]


def _rank(entry: Mapping[str, Any], architecture: str, usable: Sequence[str]) -> int | None:
    """Return the place of an entry among the others, or None if it is not for this machine."""
    annotations = entry.get("annotations")
    if isinstance(annotations, dict) and annotations.get(_ATTESTATION):
        return None
    platform = entry.get("platform")
    if not isinstance(platform, dict) or not platform.get("architecture"):
        return len(usable) + 2
    if platform.get("os") not in ("linux", "", None):
        return None
    if platform["architecture"] != architecture:
        return None
    variant = str(platform.get("variant") or _FIRST.get(architecture, ""))
    if variant in usable:
        return usable.index(variant)
    return None if usable else 0


def fits(config: bytes, architecture: str, usable: Sequence[str]) -> bool:
    """Tell whether an image config is for this machine; one that does not say is."""
    try:
        fields = parse_json(config)
    except ValueError:
        return True  # refused later, for this reason
    if not isinstance(fields, dict) or not fields.get("architecture"):
        return True
    return _rank({"platform": fields}, architecture, usable) is not None


def described(entries: Iterable[Mapping[str, Any]]) -> str:
    """Return the platforms of an index, for an error."""
    found = []
    for entry in entries:
        platform = entry.get("platform")
        if isinstance(platform, dict) and platform.get("architecture") not in (None, "unknown"):
            parts = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
            found.append(printable("/".join(str(part) for part in parts if part), 60))
    return ", ".join(list(dict.fromkeys(found))[:20]) or "none"
