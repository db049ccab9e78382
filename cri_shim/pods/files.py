"""The files of a pod that its containers see under /etc: resolv.conf, hostname and hosts.

They are defaults: a mount that the kubelet asks for at the same place wins.
"""

import os
import socket
from collections.abc import Sequence
from pathlib import Path

from cri_shim.pb import api_pb2 as api

_LOCALHOST = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def write(where: Path, config: api.PodSandboxConfig, host_network: bool, owner: int = 0) -> None:
    """Write the three files of a pod; `hosts` without its address, see `write_hosts`.

    `owner`: what the pod's root is on the node.
    """
    (where / "resolv.conf").write_text(resolv_conf(config.dns_config))
    (where / "hostname").write_text(hostname(config) + "\n")
    if host_network:
        (where / "hosts").write_text(_host_file("/etc/hosts") or _LOCALHOST)
    else:
        write_hosts(where, config, ())
    for name in ("resolv.conf", "hostname", "hosts"):
        os.chown(where / name, owner, owner)


def write_hosts(where: Path, config: api.PodSandboxConfig, ips: Sequence[str]) -> None:
    """Write `hosts` of a pod with a network of its own: localhost, and each of its addresses."""
    own = "".join(f"{ip}\t{hostname(config)}\n" for ip in ips)
    (where / "hosts").write_text(_LOCALHOST + own)


def reach_name_servers(where: Path, config: api.PodSandboxConfig, dns: Sequence[str]) -> None:
    """Have resolv.conf name `dns`, which stands for the node's, where those are on its loopback.

    Only where the pod has the node's file: what it asked for is its own to reach.
    """
    if not dns or config.dns_config.servers:
        return
    text = (where / "resolv.conf").read_text(errors="surrogateescape")
    lines = text.splitlines()
    servers = [line for line in lines if line.startswith("nameserver")]
    if all(line.split()[1:2] and _is_loopback(line.split()[1]) for line in servers):
        kept = [line for line in lines if line not in servers]
        new = [f"nameserver {server}" for server in dns] + kept
        (where / "resolv.conf").write_text("\n".join(new) + "\n", errors="surrogateescape")


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def hostname(config: api.PodSandboxConfig) -> str:
    """What the pod asked for, else the node's name."""
    return config.hostname or socket.gethostname()


def resolv_conf(dns: api.DNSConfig) -> str:
    """The node's file when nothing is configured, as the CRI says."""
    if not (dns.servers or dns.searches or dns.options):
        return _host_file("/etc/resolv.conf")
    lines = [f"nameserver {server}" for server in dns.servers]
    if dns.searches:
        lines.append("search " + " ".join(dns.searches))
    if dns.options:
        lines.append("options " + " ".join(dns.options))
    return "\n".join(lines) + "\n"


def _host_file(path: str) -> str:
    try:
        return Path(path).read_text(errors="surrogateescape")
    except FileNotFoundError:
        return ""
