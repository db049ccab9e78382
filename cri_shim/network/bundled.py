"""The bundled network: default.conflist, with the subnets of this node.

It is used when the configuration directory has no file at all, so that a node works without a
network provider; as soon as a provider adds a file, it is not used any more. The bridge plugin
(isGateway) turns on net.ipv4.ip_forward. Masquerading is one static rule of the daemon (see
masquerade), because the plugin's own ipMasq makes every DEL wait for a commit of the host's whole
NAT table.
"""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from cri_shim.aio import child
from cri_shim.errors import ToolFailed, WrongState
from cri_shim.faults import fault_point
from cri_shim.network import masquerade
from cri_shim.network.conflist import NetworkList, from_json

SYS_NET = Path("/sys/class/net")
SOURCE = "default.conflist of cri-shim"


def network(data_dir: Path, subnets: Sequence[str] = (), bridge: str = "") -> NetworkList:
    """Return the bundled list for `subnets` (one of a family), or for those in the package.

    Reservations are below `data_dir`, so that each instance has a network of its own. If no bridge
    is named, other subnets than those of the package get another bridge: the plugin refuses a
    bridge that has a foreign address, and pods of an earlier subnet keep their gateway.
    """
    data = resources.files("cri_shim.network").joinpath("default.conflist").read_bytes()
    shipped = replace(from_json(data), source=SOURCE)
    plugin, *others = shipped.plugins
    wanted = list(subnets) or subnets_of(shipped)
    if not bridge:
        bridge = plugin["bridge"] if wanted == subnets_of(shipped) else _bridge_of(wanted)
    ipam: dict[str, Any] = {
        **plugin["ipam"],
        "dataDir": str(data_dir),
        "ranges": [[{"subnet": subnet}] for subnet in wanted],
        "routes": [{"dst": "::/0" if ":" in subnet else "0.0.0.0/0"} for subnet in wanted],
    }
    return replace(shipped, plugins=({**plugin, "bridge": bridge, "ipam": ipam}, *others))


def _bridge_of(subnets: Sequence[str]) -> str:
    return "cri-shim-" + hashlib.sha256(",".join(subnets).encode()).hexdigest()[:6]


async def uninstall(listed: NetworkList) -> None:
    """Remove the bridge and the masquerade rules of the bundled list, if they exist.

    Raises WrongState while a pod is still attached to the bridge, ToolFailed.
    """
    bridge = listed.plugins[0]["bridge"]
    ports = SYS_NET / bridge / "brif"
    with contextlib.suppress(FileNotFoundError):
        if attached := [port.name for port in ports.iterdir()]:
            raise WrongState(f"bridge {bridge} still has pods attached: {', '.join(attached)}")
        fault_point("network.bundled.bridge")
        done = await child.run(["ip", "link", "delete", bridge, "type", "bridge"], timeout=10)
        if done.returncode != 0 and ports.exists():
            raise ToolFailed(f"cannot remove bridge {bridge}: {done.complaint()}")
    for subnet in subnets_of(listed):
        await masquerade.remove(subnet)


def subnets_of(listed: NetworkList) -> list[str]:
    """Return the subnets from which the bundled list gives addresses."""
    return [part["subnet"] for ranges in listed.plugins[0]["ipam"]["ranges"] for part in ranges]


def parse_subnets(text: str) -> tuple[str, ...]:
    """Parse "10.1.0.0/24,fd00::/64": at most one subnet of each family; raises ValueError."""
    subnets = [ip_network(part.strip()) for part in text.split(",") if part.strip()]
    families = [subnet.version for subnet in subnets]
    if len(set(families)) != len(families):
        raise ValueError(f"{text!r} names two subnets of one address family")
    for subnet in subnets:
        if subnet.num_addresses < 4:
            raise ValueError(f"{subnet} has no room for a gateway and a pod")
    return tuple(map(str, subnets))
