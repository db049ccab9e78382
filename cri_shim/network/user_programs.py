"""pasta and slirp4netns: what they are told, and what a pod gets from them.

Each is one process a pod, beside it and not in it: it opens a tap device in the pod's network
namespace and speaks for the pod through ordinary sockets of the user. Pure.
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
    """One of the two. `dns` is where it answers for the name servers of the node.

    `detaches`: it puts itself into the background when the network is up. Else it writes to
    --ready-fd then, and has to be put there.
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
    """The options that publish the pod's host ports; InvalidArgument for what cannot be."""
    options: list[str] = []
    for index, mapping in enumerate(pod.port_mappings):
        if not mapping.host_port:
            continue
        if program is not PASTA:
            problem = "an ordinary user's pod has ports on the node by pasta only: install passt"
            raise InvalidArgument(f"{_FIELD}[{index}].host_port", problem)
        option = _PROTOCOLS.get(mapping.protocol)
        if option is None:
            raise InvalidArgument(f"{_FIELD}[{index}].protocol", "pasta has TCP and UDP only")
        address = f"{mapping.host_ip}/" if mapping.host_ip else ""
        options += [option, f"{address}{mapping.host_port}:{mapping.container_port}"]
    return options
