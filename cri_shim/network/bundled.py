"""The network we bring along: default.conflist, with the subnets of this node.

It is used when the configuration directory holds no file at all, so that a node works without a
network provider, and steps back as soon as one arrives. The bridge plugin (isGateway) turns on
net.ipv4.ip_forward; masquerading is one static rule of ours (see masquerade), because the plugin's
own ipMasq makes every DEL wait for a commit of the host's whole NAT table.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from ipaddress import ip_network
from typing import Any

from cri_shim.network.conflist import NetworkList, from_json

SOURCE = "default.conflist of cri-shim"


def network(subnets: Sequence[str] = ()) -> NetworkList:
    """The bundled list for `subnets` (one of a family), or as it stands in the package.

    Other subnets get another bridge: the plugin refuses a bridge that has a foreign address, and
    pods of an earlier subnet keep their gateway.
    """
    data = resources.files("cri_shim.network").joinpath("default.conflist").read_bytes()
    as_shipped = replace(from_json(data), source=SOURCE)
    if not subnets or list(subnets) == subnets_of(as_shipped):
        return as_shipped
    bridge, *others = as_shipped.plugins
    ipam: dict[str, Any] = {
        **bridge["ipam"],
        "ranges": [[{"subnet": subnet}] for subnet in subnets],
        "routes": [{"dst": "::/0" if ":" in subnet else "0.0.0.0/0"} for subnet in subnets],
    }
    name = "cri-shim-" + hashlib.sha256(json.dumps(list(subnets)).encode()).hexdigest()[:6]
    return replace(as_shipped, plugins=({**bridge, "bridge": name, "ipam": ipam}, *others))


def subnets_of(listed: NetworkList) -> list[str]:
    """The subnets the bundled list gives addresses from."""
    return [part["subnet"] for ranges in listed.plugins[0]["ipam"]["ranges"] for part in ranges]


def parse_subnets(text: str) -> tuple[str, ...]:
    """ "10.1.0.0/24,fd00::/64" as subnets, at most one of each family; raises ValueError."""
    subnets = [ip_network(part.strip()) for part in text.split(",") if part.strip()]
    families = [subnet.version for subnet in subnets]
    if len(set(families)) != len(families):
        raise ValueError(f"{text!r} names two subnets of one address family")
    for subnet in subnets:
        if subnet.num_addresses < 4:
            raise ValueError(f"{subnet} has no room for a gateway and a pod")
    return tuple(map(str, subnets))
