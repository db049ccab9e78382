"""Results of plugins: every version of the format, and the addresses that a pod got.

Results are plain JSON objects. All conversions go through the form of CNI 1.x:

- 0.1, 0.2: `ip4` and `ip6` objects {ip, gateway, routes}, no interfaces
- 0.3, 0.4: `interfaces`, `ips` with a `version` "4" or "6" each, `routes`
- 1.0: the same without `version`; 1.1 adds keys to interfaces and routes
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from cri_shim.network import result_check, versions
from cri_shim.untrusted import parse_json

Result = dict[str, Any]

MAX_BYTES = 64 << 10  # of a result; real ones have some hundred, and the pod's record keeps it

_KEYS_OF_1_0 = {"interfaces": ("name", "mac", "sandbox"), "routes": ("dst", "gw")}


def parse(data: bytes, config_version: str) -> Result:
    """Parse and check a plugin's output, in the version of its configuration; raises ValueError.

    A result without a version counts as one in the version of the configuration.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    result: Result = parse_json(data)
    result_check.check(result)
    result["cniVersion"] = result.get("cniVersion") or config_version
    return convert(result, config_version)


def convert(result: Mapping[str, Any], version: str) -> Result:
    """Convert a result to another version; parts that this version does not have are left out."""
    have, want = result.get("cniVersion") or versions.FIRST, version or versions.FIRST
    if have == want:
        return dict(result)
    middle = _to_current(result, have)
    if versions.at_least(want, "1.1.0"):
        converted = middle
    elif versions.at_least(want, "0.3.0"):
        converted = _without_1_1(middle)
        if not versions.at_least(want, "1.0.0"):
            converted["ips"] = [ip | {"version": _family(ip)} for ip in converted["ips"]]
    else:
        converted = _to_first(middle)
    return {"cniVersion": want, **converted}


def pod_ips(result: Mapping[str, Any], interface: str) -> list[str]:
    """Return the addresses of the pod's interface without prefix length, primary first.

    An address belongs to the pod if it names no interface, or one inside a sandbox. If a plugin
    gave its interface another name, all addresses inside the sandbox count. Addresses that cannot
    be used to reach a pod, such as 127.0.0.1, do not count. `result` comes from `parse`.
    """
    current = _to_current(result, result.get("cniVersion") or versions.FIRST)
    inside: dict[str, None] = {}  # an ordered set
    named: dict[str, None] = {}
    for ip in current["ips"]:
        index = ip.get("interface")
        owner = _interface(current["interfaces"], index)
        if index is not None and not owner.get("sandbox"):
            continue
        address = result_check.address("address", ip["address"]).ip
        if not _reachable(address):
            continue
        inside[str(address)] = None
        if index is None or owner.get("name") == interface:
            named[str(address)] = None
    return list(named or inside)


def _reachable(ip: IPv4Address | IPv6Address) -> bool:
    unroutable = ip.is_loopback or ip.is_unspecified or ip.is_multicast
    return not (unroutable or ip == IPv4Address("255.255.255.255"))


def _interface(interfaces: list[Any], index: Any) -> Mapping[str, Any]:
    if isinstance(index, int) and 0 <= index < len(interfaces):
        owner: Mapping[str, Any] = interfaces[index]
        return owner
    return {}


def _to_current(result: Mapping[str, Any], version: str) -> Result:
    if not versions.at_least(version, "0.3.0"):
        return _from_first(result)
    ips = [{k: v for k, v in ip.items() if k != "version"} for ip in result.get("ips") or []]
    return {
        "interfaces": list(result.get("interfaces") or []),
        "ips": ips,
        "routes": list(result.get("routes") or []),
        "dns": result.get("dns") or {},
    }


def _from_first(result: Mapping[str, Any]) -> Result:
    ips: list[dict[str, Any]] = []
    routes: list[Any] = []
    for family in ("ip4", "ip6"):
        part = result.get(family)
        if part:
            gateway = {"gateway": part["gateway"]} if part.get("gateway") else {}
            ips.append({"address": part["ip"], **gateway})
            routes += part.get("routes") or []
    return {"interfaces": [], "ips": ips, "routes": routes, "dns": result.get("dns") or {}}


def _to_first(current: Result) -> Result:
    converted: Result = {"dns": current["dns"]}
    for ip in current["ips"]:
        family = "ip" + _family(ip)
        if family in converted:
            continue  # that format has one address for each family
        gateway = {"gateway": ip["gateway"]} if ip.get("gateway") else {}
        routes = [
            {key: route[key] for key in ("dst", "gw") if key in route}
            for route in current["routes"]
            if "ip" + _family({"address": route["dst"]}) == family
        ]
        converted[family] = {"ip": ip["address"], **gateway, "routes": routes}
    return converted


def _without_1_1(current: Result) -> Result:
    trimmed = dict(current)
    for part, keys in _KEYS_OF_1_0.items():
        trimmed[part] = [{k: v for k, v in item.items() if k in keys} for item in current[part]]
    return trimmed


def _family(ip: Mapping[str, Any]) -> str:
    return str(result_check.address("address", ip["address"]).version)
