"""The files of a pod that its containers have: resolv.conf, hostname and hosts below /etc.

The configuration of the node may add localtime, and an empty /run/.containerenv.

They are defaults: a mount that the kubelet requests at the same place wins.
"""

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from cri_shim import untrusted
from cri_shim.errors import WrongState
from cri_shim.pb import api_pb2 as api
from cri_shim.spec.pod_files import CONFIGURED, CONTAINERENV, LOCALTIME

HOST_FILE_LIMIT = 4 << 20  # bytes of the node's /etc/hosts or /etc/resolv.conf
_LOCALHOST = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def of_node(
    config: api.PodSandboxConfig,
    host_network: bool,
    *,
    localtime: str = "",
    containerenv: bool = False,
) -> dict[str, str]:
    """Return the content of the files without the pod's addresses: name -> text.

    `localtime` is the node's file, "" for none. WrongState if the node's own files cannot be read.
    """
    hosts = _LOCALHOST
    if host_network:
        hosts = _host_file("/etc/hosts") or _LOCALHOST
    texts = {
        "resolv.conf": resolv_conf(config.dns_config),
        "hostname": hostname(config) + "\n",
        "hosts": hosts,
    }
    if localtime and (zone := _host_file(localtime)):
        texts[CONFIGURED[LOCALTIME]] = zone
    if containerenv:
        texts[CONFIGURED[CONTAINERENV]] = ""
    return texts


def of_pod(
    texts: Mapping[str, str],
    config: api.PodSandboxConfig,
    ips: Sequence[str],
    dns: Sequence[str],
) -> dict[str, str]:
    """Return the content for a pod with its own network: with its addresses and name servers.

    `dns` replaces the node's name servers if these are loopback addresses and the pod uses the
    node's file. Servers in the pod's own config are kept, reachable or not.
    """
    hosts = texts["hosts"] + "".join(f"{ip}\t{hostname(config)}\n" for ip in ips)
    resolv = texts["resolv.conf"]
    lines = resolv.splitlines()
    servers = [line for line in lines if line.startswith("nameserver")]
    on_loopback = all(line.split()[1:2] and _is_loopback(line.split()[1]) for line in servers)
    if dns and not config.dns_config.servers and on_loopback:
        kept = [line for line in lines if line not in servers]
        resolv = "\n".join([*(f"nameserver {server}" for server in dns), *kept]) + "\n"
    return {**texts, "hosts": hosts, "resolv.conf": resolv}


def size(texts: Mapping[str, str]) -> int:
    """Return how many bytes `write` writes."""
    return sum(len(text.encode(errors="surrogateescape")) for text in texts.values())


def write(where: Path, texts: Mapping[str, str], owner: tuple[int, int] = (0, 0)) -> None:
    """Write the files of a pod. `owner`: the node's (uid, gid) of the pod's root."""
    for name, text in texts.items():
        file = where / name
        file.write_text(text, errors="surrogateescape")
        file.chmod(0o644)  # every user of a container reads it
        os.chown(file, *owner)


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def hostname(config: api.PodSandboxConfig) -> str:
    """Return the hostname in the pod's config, else the node's name."""
    return config.hostname or socket.gethostname()


def resolv_conf(dns: api.DNSConfig) -> str:
    """Return the text of resolv.conf; without any config it is the node's file, as the CRI says."""
    if not (dns.servers or dns.searches or dns.options):
        return _host_file("/etc/resolv.conf")
    lines = [f"nameserver {server}" for server in dns.servers]
    if dns.searches:
        lines.append("search " + " ".join(dns.searches))
    if dns.options:
        lines.append("options " + " ".join(dns.options))
    return "\n".join(lines) + "\n"


def _host_file(path: str) -> str:
    """Return a file of the node, written by its administrator; "" if there is none.

    Bytes that are not UTF-8 are surrogates, which `write` turns back.
    """
    try:
        data = untrusted.read_file(path, HOST_FILE_LIMIT)
    except FileNotFoundError:
        return ""
    except OSError as e:
        raise WrongState(f"cannot copy {path} of the node for a pod: {e.strerror}") from e
    except ValueError as e:
        raise WrongState(f"cannot copy {path} of the node for a pod: it {e}") from e
    return data.decode(errors="surrogateescape")
