"""A pod's requests to its networks, in CNI's form: CNI_ARGS and runtimeConfig.

This module reads and checks the pod's messages and turns them into JSON. `inline` gives each plugin
the capability arguments that it declares, and `idle_plugins` finds the plugins that would then do
nothing.
"""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from ipaddress import ip_interface
from typing import Any

from cri_shim.errors import InvalidArgument
from cri_shim.network.conflist import NetworkList, Plugin
from cri_shim.pb import api_pb2, state_pb2

INGRESS = "kubernetes.io/ingress-bandwidth"  # resource quantities, bits per second
EGRESS = "kubernetes.io/egress-bandwidth"
ADDRESSES = "cri-shim.io/ips"  # an annotation: "10.1.2.3/24,fd00::3/64"; plugins declare `ips`
HARDWARE_ADDRESS = "cri-shim.io/mac"

BURST_BITS = (2**32 - 1) * 8 - 1  # the largest burst of the bandwidth plugin; CRI-O uses it, too
_PORTS = "portMappings"  # the capability of plugins that map ports of the node
_SLOWEST, _FASTEST = 1_000, 10**15  # bits per second that the kubelet accepts as reasonable

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?\d{1,3}))?")
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}

# The keys with which a plugin acts; without them it returns its prevResult unchanged. Skipping the
# plugin saves 3 ms of ADD for portmap and 50 ms of DEL for bandwidth.
_ACTS_ON: Mapping[str, tuple[str, ...]] = {
    "portmap": ("runtimeConfig",),
    "bandwidth": ("runtimeConfig", "ingressRate", "egressRate"),
}


def cni_args(pod: state_pb2.PodRecord) -> list[tuple[str, str]]:
    """Return the pairs of CNI_ARGS; they are the same for ADD and DEL of a pod."""
    metadata = pod.config.metadata
    return [
        ("IgnoreUnknown", "1"),
        ("K8S_POD_NAMESPACE", metadata.namespace),
        ("K8S_POD_NAME", metadata.name),
        ("K8S_POD_INFRA_CONTAINER_ID", pod.id),
        ("K8S_POD_UID", metadata.uid),
    ]


def check_names(pod: state_pb2.PodRecord) -> None:
    """Refuse names that would be read as further CNI_ARGS."""
    metadata = pod.config.metadata
    for field in ("namespace", "name", "uid"):
        value = getattr(metadata, field)
        if ";" in value or "=" in value:
            raise InvalidArgument(
                f"config.metadata.{field}", f"{value!r} holds ';' or '=', which CNI_ARGS cannot say"
            )


def check_host_ports(config: api_pb2.PodSandboxConfig, network: NetworkList) -> None:
    """Refuse host ports if no plugin of the network gets them: nothing would answer there."""
    if any((plugin.get("capabilities") or {}).get(_PORTS) is True for plugin in network.plugins):
        return
    for index, mapping in enumerate(config.port_mappings):
        if mapping.host_port > 0:
            where = f" ({network.source})" if network.source else ""
            raise InvalidArgument(
                f"config.port_mappings[{index}].host_port",
                f"{mapping.host_port}: no plugin of the CNI network {network.name}{where} maps host"
                f' ports; add {{"type": "portmap", "capabilities": {{"{_PORTS}": true}}}} to its'
                ' plugins, or set network.unmapped_host_ports = "allow" if another program maps'
                " them",
            )


def arguments(pod: state_pb2.PodRecord, ip_ranges: Sequence[str] = ()) -> dict[str, Any]:
    """Return all capability arguments of the pod, by capability.

    `ip_ranges` are the node's pod subnets. Raises InvalidArgument with the annotation.
    """
    config, annotations = pod.config, pod.config.annotations
    dns = config.dns_config
    found: dict[str, Any] = {
        _PORTS: [_port_mapping(m) for m in config.port_mappings if m.host_port > 0],
        "bandwidth": _bandwidth(annotations),
        "ipRanges": [[{"subnet": subnet}] for subnet in ip_ranges],
        "ips": _addresses(annotations),
        "mac": _hardware_address(annotations),
        "cgroupPath": pod.cgroup_parent,
        "io.kubernetes.cri.pod-annotations": dict(annotations),
    }
    if dns.servers or dns.searches or dns.options:
        found["dns"] = {
            "servers": list(dns.servers),
            "searches": list(dns.searches),
            "options": list(dns.options),
        }
    return {name: value for name, value in found.items() if value}


def inline(plugins: Sequence[Plugin], given: Mapping[str, Any]) -> tuple[Plugin, ...]:
    """Return the plugins; each has as runtimeConfig the arguments of its declared capabilities."""
    return tuple(_with_runtime_config(plugin, given) for plugin in plugins)


def idle_plugins(plugins: Sequence[Plugin]) -> list[str]:
    """Return the types of which every plugin in this list would return its input unchanged.

    The first plugin of a list is never among them, because it makes the result.
    """
    busy = {plugin["type"] for n, plugin in enumerate(plugins) if n == 0 or _acts(plugin)}
    return sorted({plugin["type"] for plugin in plugins} - busy)


def quantity(text: str) -> int:
    """Parse a Kubernetes resource quantity ("10M", "1Gi", "1e6"), rounded up. ValueError."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a quantity such as 10M")
    number, suffix, exponent = match.groups()
    if suffix in _BINARY:
        return math.ceil(Decimal(number) * Decimal(1024) ** _BINARY[suffix])
    return math.ceil(Decimal(number).scaleb(int(exponent or _DECIMAL[suffix or ""])))


def _with_runtime_config(plugin: Plugin, given: Mapping[str, Any]) -> Plugin:
    declared = plugin.get("capabilities") or {}
    wanted = {name: value for name, value in given.items() if declared.get(name) is True}
    return {**plugin, "runtimeConfig": wanted} if wanted else plugin


def _acts(plugin: Plugin) -> bool:
    reasons = _ACTS_ON.get(plugin["type"])
    return reasons is None or any(plugin.get(key) for key in reasons)


def _port_mapping(mapping: api_pb2.PortMapping) -> dict[str, Any]:
    described: dict[str, Any] = {
        "hostPort": mapping.host_port,
        "containerPort": mapping.container_port,
        "protocol": api_pb2.Protocol.Name(mapping.protocol).lower(),
    }
    if mapping.host_ip:
        described["hostIP"] = mapping.host_ip
    return described


def _bandwidth(annotations: Mapping[str, str]) -> dict[str, int]:
    limits: dict[str, int] = {}
    for direction, annotation in (("ingress", INGRESS), ("egress", EGRESS)):
        if annotation not in annotations:
            continue
        field = f"config.annotations[{annotation}]"
        try:
            rate = quantity(annotations[annotation])
        except ValueError as e:
            raise InvalidArgument(field, str(e)) from e
        if not _SLOWEST <= rate <= _FASTEST:
            raise InvalidArgument(field, f"{annotations[annotation]!r} is not within 1k and 1P")
        limits |= {f"{direction}Rate": rate, f"{direction}Burst": BURST_BITS}
    return limits


def _addresses(annotations: Mapping[str, str]) -> list[str]:
    addresses = [part.strip() for part in annotations.get(ADDRESSES, "").split(",") if part.strip()]
    for address in addresses:
        try:
            ip_interface(address)
        except ValueError as e:
            raise InvalidArgument(f"config.annotations[{ADDRESSES}]", str(e)) from e
    return addresses


def _hardware_address(annotations: Mapping[str, str]) -> str:
    mac = annotations.get(HARDWARE_ADDRESS, "")
    if mac and not _MAC.fullmatch(mac):
        raise InvalidArgument(
            f"config.annotations[{HARDWARE_ADDRESS}]", f"{mac!r} is not a hardware address"
        )
    return mac
