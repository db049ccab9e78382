"""The bundled network of these directories."""

import subprocess

from cri_shim.config import Config
from cri_shim.config.user import unprivileged_user
from cri_shim.network import masquerade
from cri_shim.network.bundled import SYS_NET, Bundled, OwnNetwork, subnets_of

_LIMIT_S = 20.0  # another program may hold the lock of iptables


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
