"""The bundled network of these directories, and addresses that host-local keeps for the pods."""

import subprocess
from collections.abc import Collection
from pathlib import Path

from cri_shim.config import Config
from cri_shim.config.user import unprivileged_user
from cri_shim.network import masquerade
from cri_shim.network.bundled import SYS_NET, Bundled, OwnNetwork, subnets_of
from cri_shim.untrusted import read_file, text

LEASES = Path("/var/lib/cni/networks")  # of host-local, for networks of others
_LIMIT_S = 20.0  # another program may hold the lock of iptables
_LIMIT = 4096  # bytes of a lease: an id and the name of an interface


def own(config: Config) -> OwnNetwork:
    ours = config.network
    bundled = Bundled(ours.subnet, ours.bridge) if ours.bundled else None
    return OwnNetwork(config.server.root / "cni", bundled)


def names(config: Config) -> list[str]:
    """Return what there is of the bundled network: its bridge with the rules of its subnets."""
    network = own(config)
    network.read_pod_cidr()
    listed = network.listed()
    if listed is None or unprivileged_user() is not None:
        return []
    bridge = str(listed.plugins[0]["bridge"])
    found = [f"bridge {bridge}"] if (SYS_NET / bridge).exists() else []
    return found + [f"masquerade rule of {net}" for net in subnets_of(listed) if _has_rule(net)]


def _has_rule(subnet: str) -> bool:
    """Whether nft or iptables has the rule for the subnet."""
    family = "ip6" if ":" in subnet else "ip"
    chain = ["nft", "list", "chain", family, masquerade.TABLE, masquerade.nft_chain(subnet)]
    return any(map(_succeeds, (chain, masquerade.iptables_rules(subnet)[-1][0])))


def _succeeds(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def leases(ids: Collection[str], directory: Path = LEASES) -> list[Path]:
    """Return the addresses that host-local keeps for pods with these ids."""
    return [lease for lease in sorted(directory.glob("*/*")) if _holder(lease) in ids]


def _holder(lease: Path) -> str:
    try:
        return text(read_file(lease, _LIMIT)).partition("\n")[0].strip()
    except (OSError, ValueError):
        return ""
