"""CNI specification versions: comparison, and the newest one that this runtime supports."""

import re

from cri_shim.untrusted import printable

NEWEST = "1.1.0"
FIRST = "0.1.0"  # the meaning of a missing or empty cniVersion

_PATTERN = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})")


def parse(version: str) -> tuple[int, int, int]:
    """Return the parts of a version; an empty one is 0.1.0. Raises ValueError."""
    match = _PATTERN.fullmatch(version or FIRST)
    if match is None:
        raise ValueError(f"{printable(repr(version), 80)} is not a CNI version such as 1.0.0")
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch)


def known(version: object) -> bool:
    """Whether it is a version at all; a plugin may declare anything."""
    return isinstance(version, str) and _PATTERN.fullmatch(version) is not None


def at_least(version: str, floor: str) -> bool:
    """Whether `version` is `floor` or newer."""
    return parse(version) >= parse(floor)


def usable(declared: list[str]) -> tuple[str, ...]:
    """Return the declared versions of a list that this runtime supports, newest first.

    CNI 1.1, cniVersions: "runtimes may select any version from the list". ValueError if one is
    malformed or none is left.
    """
    versions = {version or FIRST for version in declared if not parse(version) > parse(NEWEST)}
    if not versions:
        needed = printable(" or ".join(declared))
        raise ValueError(f"it needs CNI version {needed}; this runtime speaks up to {NEWEST}")
    return tuple(sorted(versions, key=parse, reverse=True))
