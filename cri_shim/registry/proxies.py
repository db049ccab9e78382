"""HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as programs in Go read them; pure.

NO_PROXY is a list of hosts, domains (`example.com` and below, `.example.com` only below), addresses
and networks, each with an optional port. This machine itself is never asked through a proxy.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

SOCKS = ("socks5", "socks5h")  # the schemes of SOCKS proxies
_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, environ: Mapping[str, str]) -> str:
    """Return the URL of the proxy for a URL, or "". It may have a user and a password."""
    parts = urlsplit(url)
    found = _variable(environ, f"{parts.scheme}_proxy")
    host = (parts.hostname or "").lower()
    if not found or _is_local(host):
        return ""
    port = parts.port or _PORTS.get(parts.scheme, 0)
    if any(_excludes(rule.strip(), host, port) for rule in _rules(environ)):
        return ""
    return found if "://" in found else f"http://{found}"


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name.upper()) or environ.get(name) or ""


def _rules(environ: Mapping[str, str]) -> list[str]:
    return _variable(environ, "no_proxy").lower().split(",")


def _is_local(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _excludes(rule: str, host: str, port: int) -> bool:
    if not rule or rule == "*":
        return bool(rule)
    if "/" in rule:
        address = _address(host)
        try:
            return address is not None and address in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
    name, own_port = _split_port(rule)
    if own_port and own_port != str(port):
        return False
    if (address := _address(host)) is not None:
        return address == _address(name)
    domain = name.removeprefix("*").lstrip(".")
    return host.endswith(f".{domain}") or (host == domain and not name.startswith((".", "*")))


def _split_port(rule: str) -> tuple[str, str]:
    """Split `host:port`, where the host may be an IPv6 address with or without brackets."""
    if rule.startswith("["):
        name, _, rest = rule[1:].partition("]")
        return name, rest.removeprefix(":")
    name, colon, port = rule.partition(":")
    return (rule, "") if ":" in port else (name, port if colon else "")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
