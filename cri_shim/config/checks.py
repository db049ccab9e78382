"""What a configuration value must be: each check answers what is wrong, or "" for nothing."""

import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_SOCKET_MAX = 107  # bytes: sun_path of sockaddr_un, less its closing zero
_INTERFACE_MAX = 15  # bytes: IFNAMSIZ, less its closing zero


def anything(value: Any) -> str:
    return ""


def absolute(value: Path) -> str:
    return "" if value.is_absolute() else f"must be an absolute path, not {str(value)!r}"


def run_root(value: Path) -> str:
    """conmon is given paths below it, and cuts them at a colon."""
    return "must not have a colon" if ":" in str(value) else absolute(value)


def absolute_or_empty(value: str) -> str:
    return absolute(Path(value)) if value else ""


def all_absolute(value: Sequence[Path]) -> str:
    return next(filter(None, map(absolute, value)), "")


def all_absolute_texts(value: Sequence[str]) -> str:
    return all_absolute([Path(v) for v in value])


def candidates(value: Sequence[str]) -> str:
    """A list of places to look in: absolute paths, at least one."""
    return all_absolute_texts(value) if value else "must name at least one path"


def socket(value: Path) -> str:
    if len(str(value).encode()) > _SOCKET_MAX:
        return f"is longer than the {_SOCKET_MAX} bytes a unix socket's path may have"
    return absolute(value)


def interface(value: str) -> str:
    fits = 0 < len(value.encode()) <= _INTERFACE_MAX and not set(value) & set("/: \t\n")
    return "" if fits else f"must be an interface name of at most {_INTERFACE_MAX} bytes"


def subnet(value: str) -> str:
    """One subnet, or one of each family with a comma between."""
    try:
        families = [ipaddress.ip_network(part.strip()).version for part in value.split(",")]
    except ValueError as e:
        return f"must be a subnet like 10.87.0.0/16: {e}"
    return "" if len(families) == len(set(families)) else "must be one subnet of each family"


def ip_address(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError as e:
        return f"must be an IP address: {e}"
    return ""


def port(value: int) -> str:
    return "" if 0 <= value <= 65535 else "must be a port, 0 to 65535"


def positive(value: float) -> str:
    return "" if value > 0 else "must be more than 0"


def not_negative(value: float) -> str:
    return "" if value >= 0 else "must not be negative"


def assignments(value: Sequence[str]) -> str:
    bad = [v for v in value if "=" not in v[1:]]
    return f"must be NAME=VALUE, not {bad[0]!r}" if bad else ""


def one_of(*choices: str) -> Callable[[str], str]:
    """A check that only these values pass."""

    def check(value: str) -> str:
        return "" if value in choices else f"must be one of {', '.join(choices)}, not {value!r}"

    return check
