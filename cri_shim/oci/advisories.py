"""Known security holes of OCI runtimes, and whether a version has one. Pure.

The facts come from the projects' own change logs: runc's CHANGELOG.md, crun's NEWS. Distributions
repair old versions: if the change log of a package names a CVE, the package has the fix.
"""

import re
from collections.abc import Container
from dataclasses import dataclass

_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?:[-~]?rc\.?(\d{1,6}))?")
_FINAL = 1 << 20  # in place of the number of a release candidate

Version = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Advisory:
    """`fixed` has the first good version of each branch; versions above all of them are good."""

    ids: tuple[str, ...]
    program: str
    what: str
    fixed: tuple[str, ...]


KNOWN = (
    Advisory(
        ("CVE-2019-5736",),
        "runc",
        "a container can overwrite the program on the node",
        ("1.0.0-rc7",),
    ),
    Advisory(
        ("CVE-2021-30465",), "runc", "a mount can be led out of the container", ("1.0.0-rc95",)
    ),
    Advisory(
        ("CVE-2024-21626",), "runc", "an image or an exec can work in the node's files", ("1.1.12",)
    ),
    Advisory(
        ("CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881"),
        "runc",
        "an image can have files of the node's /proc mounted writable",
        ("1.2.8", "1.3.3", "1.4.0-rc3"),
    ),
    Advisory(
        ("CVE-2026-41579",),
        "runc",
        "an image whose /dev is a link can have files made on the node",
        ("1.3.6", "1.4.3", "1.5.0-rc3"),
    ),
    Advisory(
        ("CVE-2019-16884", "CVE-2019-18837"),
        "crun",
        "an image can turn off its confinement, or have the node's files changed",
        ("0.10.5",),
    ),
    Advisory(
        ("CVE-2022-27650",),
        "crun",
        "an exec has inheritable capabilities it should not",
        ("1.4.4",),
    ),
    Advisory(
        ("CVE-2026-47766",),
        "crun",
        "an image whose /dev is a link can have devices made on the node",
        ("1.28",),
    ),
)


def found(version_line: str, fixed: Container[str] | None) -> list[str]:
    """Return a sentence for each known hole of a program. `version_line` begins its `--version`.

    `fixed` has the CVEs that the change log of its package names; None if there is no change log.
    """
    program = version_line.partition(" ")[0]
    version = parse(version_line)
    if version is None:
        return []
    known = [a for a in KNOWN if a.program == program and not is_fixed(a, version)]
    return [sentence for a in known if (sentence := _sentence(a, version_line, fixed))]


def is_fixed(advisory: Advisory, version: Version) -> bool:
    """Whether `version` is at or above the first good one of its branch, or of a newer branch."""
    good = [known for text in advisory.fixed if (known := parse(text)) is not None]
    return any(version[:2] == one[:2] and version >= one for one in good) or version >= max(good)


def parse(text: str) -> Version | None:
    """Return the version in `text`; a release candidate is older than its release."""
    match = _VERSION.search(text)
    if match is None:
        return None
    major, minor, patch, candidate = match.groups()
    return int(major), int(minor), int(patch or 0), int(candidate or _FINAL)


def _sentence(advisory: Advisory, version_line: str, fixed: Container[str] | None) -> str:
    ids = [id for id in advisory.ids if fixed is None or id not in fixed]
    if not ids:
        return ""
    good = " or ".join(advisory.fixed)
    unless = "" if fixed is not None else ", unless your distribution fixed it"
    return (
        f"{version_line}: {advisory.what} ({', '.join(ids)}){unless};"
        f" install {advisory.program} {good}, or a fixed package of your distribution"
    )
