"""pasta and slirp4netns: their command lines, and their settings for a pod.

A pod has one such process, beside it and not in it. The process opens a tap device in the pod's
network namespace and sends the pod's traffic through ordinary sockets of the user. Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api

INTERFACE = "eth0"
_FIELD = "config.port_mappings"
_PROTOCOLS = {api.TCP: "-t", api.UDP: "-u"}


@dataclass(frozen=True, slots=True)
class Program:
    """One of the two. `dns` is the address at which it answers for the node's name servers.

    With `detaches` it puts itself into the background when the network is up. Otherwise it writes
    to --ready-fd then, and the caller has to put it into the background.
    """

    name: str
    package: str  # of Debian
    dns: str
    detaches: bool
    command: Callable[[str, str, Sequence[str]], list[str]]  # its path, the netns, port options


def _pasta(path: str, netns: str, ports: Sequence[str]) -> list[str]:
    none = [word for option in ("-t", "-u") if option not in ports for word in (option, "none")]
    return [
        *(path, "--config-net", "--quiet", "--no-map-gw", "-I", INTERFACE),
        *("--dns-forward", PASTA.dns, *ports, *none, "-T", "none", "-U", "none"),
        *("--netns", netns),
    ]


def _slirp(path: str, netns: str, ports: Sequence[str]) -> list[str]:
    return [
        *(path, "--configure", "--mtu=65520", "--disable-host-loopback"),
        *("--enable-sandbox", "--enable-seccomp", "--netns-type=path", netns, INTERFACE),
    ]


PASTA = Program("pasta", "passt", "169.254.1.1", detaches=True, command=_pasta)
SLIRP = Program("slirp4netns", "slirp4netns", "10.0.2.3", detaches=False, command=_slirp)
PROGRAMS = (PASTA, SLIRP)  # in the order of preference


def port_options(program: Program | None, pod: api.PodSandboxConfig) -> list[str]:
    """Return the options that publish the pod's host ports; InvalidArgument for others."""
    options: list[str] = []
    for index, mapping in enumerate(pod.port_mappings):
        if not mapping.host_port:
            continue
        if program is not PASTA:
            problem = (
                "an unprivileged user's pod has ports on the node by pasta only: install passt"
            )
            raise InvalidArgument(f"{_FIELD}[{index}].host_port", problem)
        option = _PROTOCOLS.get(mapping.protocol)
        if option is None:
            raise InvalidArgument(f"{_FIELD}[{index}].protocol", "pasta has TCP and UDP only")
        address = f"{mapping.host_ip}/" if mapping.host_ip else ""
        options += [option, f"{address}{mapping.host_port}:{mapping.container_port}"]
    return options
