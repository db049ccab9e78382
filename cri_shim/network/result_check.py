"""Checks that a plugin's result is valid: types, addresses, names and numbers, within limits.

libcni reads a result into typed structures, so that runtimes in Go never see another form. Here
`check` has this role: after it every key of the specification has its type, every address is valid,
and no text has a control character. Keys that the specification does not know are kept.

Names and hardware addresses need not have the kernel's form: the plugin of AWS uses an interface
name of 16 characters, and stores a VLAN's number as the hardware address.
"""

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Any

from cri_shim.network import versions
from cri_shim.untrusted import printable

MAX_ENTRIES = 128  # of each list: interfaces, addresses, routes, name servers
MAX_TEXT = 1024  # characters of a name or a path
_MAX_NUMBER = 2**63 - 1
_ADDRESS = re.compile(r"[0-9a-fA-F:.]{2,45}/[0-9]{1,3}")  # no zone, no netmask

Address = IPv4Interface | IPv6Interface
Check = Callable[[str, Any], object]


def check(result: Any) -> None:
    """Accept a result of any version; ValueError has the key and its error."""
    _table("the result", result)
    versions.parse(_text("cniVersion", result.get("cniVersion") or ""))
    for family in ("ip4", "ip6"):
        _first_format(family, result.get(family))
    interfaces = list(_tables("interfaces", result))
    for at, interface in interfaces:
        _each(
            at, interface, dict.fromkeys(("name", "mac", "sandbox", "socketPath", "pciID"), _text)
        )
    for at, ip in _tables("ips", result):
        address(f"{at}.address", ip.get("address"))
        _each(at, ip, {"gateway": _host})
        _index(f"{at}.interface", ip.get("interface"), len(interfaces))
    _routes("routes", result)
    _dns(result.get("dns"))
    _numbers("the result", result)


def address(at: str, value: Any) -> Address:
    """Parse an address with its prefix length, such as 10.1.2.3/24.

    An IPv4-mapped IPv6 address is read as the IPv4 address, as Go does.
    """
    try:
        if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
            raise ValueError  # noqa: TRY301
        found = ip_interface(value)
    except ValueError:
        problem = f"{at}: {_shown(value)} is not an address with a prefix length"
        raise ValueError(problem) from None
    mapped = found.ip.ipv4_mapped if isinstance(found, IPv6Interface) else None
    return found if mapped is None else IPv4Interface(mapped)


def _first_format(family: str, part: Any) -> None:
    if part in (None, {}):
        return
    _table(family, part)
    found = address(f"{family}.ip", part.get("ip"))
    if found.version != int(family[-1]):
        raise ValueError(f"{family}.ip: {found} is of the other family")
    _each(family, part, {"gateway": _host})
    _routes(f"{family}.routes", part)


def _routes(at: str, owner: dict[str, Any]) -> None:
    for where, route in _tables(at, owner):
        address(f"{where}.dst", route.get("dst"))
        _each(where, route, {"gw": _host})


def _dns(dns: Any) -> None:
    if dns is None:
        return
    _table("dns", dns)
    _each("dns", dns, {"domain": _text})
    for key in ("nameservers", "search", "options"):
        for n, item in enumerate(_list(f"dns.{key}", dns.get(key))):
            _text(f"dns.{key}[{n}]", item)


def _tables(at: str, owner: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a list, each with its place in the result."""
    for n, item in enumerate(_list(at, owner.get(at.rpartition(".")[2]))):
        where = f"{at}[{n}]"
        _table(where, item)
        yield where, item


def _each(at: str, owner: dict[str, Any], checks: dict[str, Check]) -> None:
    """Check the existing keys; a plugin may omit a key, or set it to null or ""."""
    for key, fits in checks.items():
        if owner.get(key) not in (None, ""):
            fits(f"{at}.{key}", owner[key])


def _table(at: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{at}: {_shown(value)} is not an object")  # noqa: TRY004


def _list(at: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{at}: {_shown(value)} is not a list")  # noqa: TRY004
    if len(value) > MAX_ENTRIES:
        raise ValueError(f"{at}: it has {len(value)} entries; {MAX_ENTRIES} are the most")
    return value


def _text(at: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise ValueError(f"{at}: {_shown(value)} is not a text of at most {MAX_TEXT} characters")
    return value


def _host(at: str, value: Any) -> None:
    """Check the address of a gateway, which has no prefix length."""
    try:
        if not isinstance(value, str) or "/" in value:
            raise ValueError  # noqa: TRY301
        address(at, f"{value}/0")
    except ValueError:
        raise ValueError(f"{at}: {_shown(value)} is not an address") from None


def _index(at: str, value: Any, interfaces: int) -> None:
    if value is None:
        return
    if type(value) is not int or not 0 <= value < interfaces:
        problem = f"{_shown(value)} is not the index of one of {interfaces} interfaces"
        raise ValueError(f"{at}: {problem}")


def _numbers(at: str, value: Any) -> None:
    """Refuse numbers beyond 64 bits: other tools read the stored result, and cannot hold them."""
    if isinstance(value, dict):
        for key, item in value.items():
            _numbers(_text(f"{at}: a key", key), item)
    elif isinstance(value, list):
        for item in value:
            _numbers(at, item)
    elif isinstance(value, int) and abs(value) > _MAX_NUMBER:
        raise ValueError(f"{at}: {_shown(value)} is larger than 64 bits")


def _shown(value: Any) -> str:
    return printable(repr(value), 100)
