"""The packages that have a program, by distribution, and the command that installs one."""

import platform
from collections.abc import Mapping

_FAMILIES = {
    "debian": "apt install",
    "fedora": "dnf install",
    "suse": "zypper install",
    "arch": "pacman -S",
    "alpine": "apk add",
}
_RELATED = {"ubuntu": "debian", "rhel": "fedora", "centos": "fedora", "opensuse": "suse"}
# A package has the name of its program, except for these; "*": in every other distribution.
_NAMES: Mapping[str, Mapping[str, str]] = {
    "nft": {"*": "nftables"},
    "iptables": {"*": "iptables"},
    "pasta": {"*": "passt"},
    "ip": {"*": "iproute2", "fedora": "iproute"},
    "newuidmap": {
        "*": "shadow",
        "debian": "uidmap",
        "fedora": "shadow-utils",
        "alpine": "shadow-uidmap",
    },
    "CNI plugins": {"*": "cni-plugins"}
    | dict.fromkeys(("debian", "fedora"), "containernetworking-plugins"),
    "apparmor_parser": {"*": "apparmor", "suse": "apparmor-parser"},
}


def family(release: Mapping[str, str] | None = None) -> str:
    """Return the family of a distribution from os-release(5), by default of this one; or ""."""
    if release is None:
        try:
            release = platform.freedesktop_os_release()
        except OSError:
            return ""
    words = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    known = [_RELATED.get(word.partition("-")[0], word.partition("-")[0]) for word in words]
    return next((name for name in known if name in _FAMILIES), "")


def of(program: str, distribution: str | None = None) -> str:
    """Return the name of the package with `program`."""
    named = _NAMES.get(program, {})
    own = family() if distribution is None else distribution
    return named.get(own) or named.get("*") or program


def install(program: str, distribution: str | None = None) -> str:
    """Return the remedy for a missing program: "install conmon (apt install conmon)"."""
    own = family() if distribution is None else distribution
    package = of(program, own)
    command = _FAMILIES.get(own)
    return f"install {package} ({command} {package})" if command else f"install {package}"
