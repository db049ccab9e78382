"""The checks of configuration values: each returns the problem, or "" if there is none."""

import difflib
import ipaddress
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cri_shim.untrusted import printable
from cri_shim.verbs import SORTS

_SOCKET_MAX = 107  # bytes: sun_path of sockaddr_un without its final zero
_INTERFACE_MAX = 15  # bytes: IFNAMSIZ without its final zero
_PATH_MAX, _NAME_MAX = 4095, 255  # bytes: the kernel's limits of a path and of a name in it
_TEXT_MAX = 4096  # bytes
_ROOT_MAX = 512  # bytes: overlay options contain several paths below the root, within one page
_ENTRIES_MAX = 64  # entries of a list
_LONGEST_S = 366 * 24 * 3600.0  # the longest time
_CONTROL = frozenset(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
_NETWORK = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")  # CNI's rule
_TRANSPORT = re.compile(r"[a-z][a-z0-9-]*:(//)?")
_HOST_AND_PORT = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]):([0-9]+)")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*)*", re.ASCII)
_USES_OF_NO_POD = ("is_loopback", "is_link_local", "is_multicast", "is_unspecified")


def possible(value: Any) -> str:
    """Check what every value of a type must satisfy, for all keys."""
    if isinstance(value, tuple):
        if len(value) > _ENTRIES_MAX:
            return f"has {len(value)} entries, {_ENTRIES_MAX} are allowed"
        return next(filter(None, map(possible, value)), "")
    if isinstance(value, str | Path):
        return _possible_text(str(value)) or (_path(value) if isinstance(value, Path) else "")
    return "" if not isinstance(value, float) else _finite(value)


def _possible_text(value: str) -> str:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "must be UTF-8"
    if _CONTROL & set(value):
        return f"must not have control characters: {printable(value, 80)}"
    return "" if size <= _TEXT_MAX else f"has {size} bytes, {_TEXT_MAX} are allowed"


def _finite(value: float) -> str:
    return "" if math.isfinite(value) and value <= _LONGEST_S else "must be a year at most"


def anything(value: Any) -> str:
    return ""


def absolute(value: Path) -> str:
    return _path(value) if value.is_absolute() else f"must be an absolute path, not {_shown(value)}"


def _path(value: Path) -> str:
    if len(bytes(value)) > _PATH_MAX:
        return f"is longer than the {_PATH_MAX} bytes a path may have"
    if any(len(part.encode()) > _NAME_MAX for part in value.parts):
        return f"has a name longer than the {_NAME_MAX} bytes that one may have"
    return ""


def root(value: Path) -> str:
    """Check a directory that belongs to cri-shim alone."""
    if value == Path("/"):
        return "must not be the root of the file system"
    if len(bytes(value)) > _ROOT_MAX:
        return f"is longer than {_ROOT_MAX} bytes; there must be room for paths below it"
    return absolute(value)


def run_root(value: Path) -> str:
    """Refuse a colon: conmon gets paths below the run root, and cuts them at a colon."""
    return "must not have a colon" if ":" in str(value) else root(value)


def absolute_or_empty(value: str) -> str:
    if value and not Path(value).name:
        return "must not be the root of the file system"
    return absolute(Path(value)) if value else ""


def all_absolute(value: Sequence[Path]) -> str:
    return next(filter(None, map(absolute, value)), "")


def all_absolute_texts(value: Sequence[str]) -> str:
    return all_absolute([Path(v) for v in value])


def candidates(value: Sequence[str]) -> str:
    """Check a list of paths to search: absolute paths, at least one."""
    return all_absolute_texts(value) if value else "must name at least one path"


def filled(value: Sequence[str]) -> str:
    """Check a list that has no empty text."""
    return "" if all(text.strip() for text in value) else "must not have an empty entry"


def socket(value: Path) -> str:
    if len(bytes(value)) > _SOCKET_MAX:
        return f"is longer than the {_SOCKET_MAX} bytes a unix socket's path may have"
    return absolute(value) if value != Path("/") else "must not be the root of the file system"


def rpcs(value: Sequence[str]) -> str:
    """Check names of the daemon's calls."""
    unknown = [name for name in value if name not in SORTS]
    if not unknown:
        return ""
    near = difflib.get_close_matches(unknown[0], SORTS, n=1)
    return f"there is no call {_shown(unknown[0])}{f'; did you mean {near[0]}?' if near else ''}"


def ids(value: Sequence[int]) -> str:
    wrong = [id for id in value if not 0 <= id < (1 << 32) - 1]
    return f"{wrong[0]} is not the id of a user or group" if wrong else ""


def mode(value: str) -> str:
    fits = re.fullmatch(r"0?[0-7]{3}", value)
    return "" if fits else f"must be the mode of a file, such as 0660, not {_shown(value)}"


def interface(value: str) -> str:
    """Apply the kernel's rule. `lo` exists already, and the kernel replaces a `%`."""
    fits = 0 < len(value.encode()) <= _INTERFACE_MAX and not set(value) & set("/:% ")
    if fits and value not in (".", "..", "lo", "all", "default"):
        return ""
    return f"must be an interface name of at most {_INTERFACE_MAX} bytes"


def network(value: str) -> str:
    fits = not value or _NETWORK.fullmatch(value)
    return "" if fits else f"must be the name of a network (letters, digits, _.-), not {value!r}"


def transport(value: str) -> str:
    fits = not value or _TRANSPORT.fullmatch(value)
    return "" if fits else f"must be a transport such as docker://, not {value!r}"


def timezone(value: str) -> str:
    fits = not value or _ZONE.fullmatch(value)
    return "" if fits else f"must be Local or a name such as Europe/Berlin, not {_shown(value)}"


def subnet(value: str) -> str:
    """Check one subnet, or one of each family, separated by a comma."""
    try:
        found = [ipaddress.ip_network(part.strip()) for part in value.split(",")]
    except ValueError as e:
        return f"must be a subnet like 10.87.0.0/16: {e}"
    for one in found:
        if one.num_addresses < 4 or one.prefixlen < 8:
            return f"{one} must have room for a gateway and a pod, and be no larger than a /8"
        if any(getattr(one, use) for use in _USES_OF_NO_POD):
            return f"{one} is of addresses that no pod can have"
    families = {one.version for one in found}
    return "" if len(found) == len(families) else "must be one subnet of each family"


def ip_address(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError as e:
        return f"must be an IP address: {e}"
    return ""


def listen_address(value: str) -> str:
    """Check "", unix:///PATH, or ADDRESS:PORT with a numeric address, [ADDRESS]:PORT for IPv6."""
    if value.startswith("unix://"):
        return socket(Path(value.removeprefix("unix://")))
    if not value:
        return ""
    host, _, number = value.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not host or (":" in bare) != (bare != host) or not (number.isascii() and number.isdigit()):
        return f"must be unix:///PATH, ADDRESS:PORT or [ADDRESS]:PORT, not {_shown(value)}"
    return ip_address(bare) or port(int(number[:6]))


def host_and_port(value: str) -> str:
    """Check "", or HOST:PORT with a name or an address."""
    found = _HOST_AND_PORT.fullmatch(value)
    if value and found is None:
        return f"must be HOST:PORT, not {_shown(value)}"
    return port(int(found[1][:6])) if found else ""


def port(value: int) -> str:
    return between(0, 65535)(value) and "must be a port, 0 to 65535"


def positive(value: float) -> str:
    return "" if value > 0 else "must be more than 0"


def not_negative(value: float) -> str:
    return "" if value >= 0 else "must not be negative"


def between(low: int, high: int) -> Callable[[int], str]:
    """Return a check that integers from `low` to `high` pass, both included."""

    def check(value: int) -> str:
        return "" if low <= value <= high else f"must be from {low} to {high}"

    return check


def assignments(value: Sequence[str]) -> str:
    bad = [v for v in value if "=" not in v[1:]]
    return f"must be NAME=VALUE, not {_shown(bad[0])}" if bad else ""


def _shown(value: object) -> str:
    return printable(repr(str(value)), 100)


def once_each(name_of: Callable[[str], str]) -> Callable[[Sequence[str]], str]:
    """Return a check of a list whose entries have different names.

    `name_of` returns the name of an entry, or raises ValueError with its problem.
    """

    def check(value: Sequence[str]) -> str:
        try:
            names = [name_of(text) for text in value]
        except ValueError as e:
            return str(e)
        twice = next((name for name in names if names.count(name) > 1), "")
        return f"{twice} is in the list twice" if twice else ""

    return check


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a check that only these values pass."""

    def check(value: str) -> str:
        return "" if value in choices else f"must be one of {', '.join(choices)}, not {value!r}"

    return check
