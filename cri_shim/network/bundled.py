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
from dataclasses import dataclass, replace
from importlib import resources
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from cri_shim.aio import child
from cri_shim.errors import InvalidArgument, ToolFailed, WrongState
from cri_shim.faults import fault_point
from cri_shim.linux import marks
from cri_shim.linux.privacy import make_private
from cri_shim.network import masquerade, reservations
from cri_shim.network.conflist import NetworkList, from_json

SYS_NET = Path("/sys/class/net")
SOURCE = "default.conflist of cri-shim"


@dataclass(frozen=True, slots=True)
class Bundled:
    """The bundled network, which must not share its subnet or bridge with another instance.

    "" means the subnet or the bridge in default.conflist.
    """

    subnet: str = ""
    bridge: str = ""


BUNDLED = Bundled()


class OwnNetwork:
    """The bundled network of this instance, with the node's pod subnets once these are known."""

    def __init__(self, cache_dir: Path, settings: Bundled | None) -> None:
        """Without `settings` it is not used. InvalidArgument."""
        self._settings = settings
        self._configured = _subnets("network.bundled_subnet", settings.subnet if settings else "")
        self._data_dir = cache_dir / "networks"
        self._pod_cidr_file = cache_dir / "pod-cidr"
        self.pod_cidr: tuple[str, ...] = ()

    def read_pod_cidr(self) -> None:
        """Read the subnets that `set_pod_cidr` kept, if there are any."""
        with contextlib.suppress(InvalidArgument):
            self.pod_cidr = _subnets("pod-cidr", marks.read(self._pod_cidr_file))

    def set_pod_cidr(self, cidr: str) -> bool:
        """Keep the node's pod subnets; return whether they are other ones. InvalidArgument."""
        subnets = _subnets("runtime_config.network_config.pod_cidr", cidr)
        if not subnets or subnets == self.pod_cidr:
            return False
        make_private(self._pod_cidr_file.parent)
        marks.write(self._pod_cidr_file, ",".join(subnets))
        self.pod_cidr = subnets
        return True

    def listed(self) -> NetworkList | None:
        """Return the list; None if the bundled network is not used."""
        return None if self._settings is None else self._of(self.pod_cidr)

    def free_unclaimed(self, name: str, pods: set[str]) -> None:
        """Free the addresses in the network of this name that none of these pods has."""
        reservations.free_unclaimed(self._data_dir / name, pods)

    async def uninstall(self) -> None:
        """Remove the bridge and the rules of every subnet; see `uninstall`."""
        if self._settings is not None:
            self.read_pod_cidr()
            for subnets in {self._configured, self.pod_cidr or self._configured}:
                await uninstall(self._of(subnets))

    def _of(self, subnets: tuple[str, ...]) -> NetworkList:
        if self._settings is not None and subnets in ((), self._configured):
            return network(self._data_dir, self._configured, self._settings.bridge)
        return network(self._data_dir, subnets)


def _subnets(field: str, text: str) -> tuple[str, ...]:
    try:
        return parse_subnets(text)
    except ValueError as e:
        raise InvalidArgument(field, str(e)) from e


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
