"""Device nodes and device cgroup rules.

The OCI runtime itself makes null, zero, full, random, urandom, tty, ptmx and console; the document
lists only other nodes. A privileged container gets every node of the host, and its cgroup allows
every device, unless its handler has privileged_without_host_devices.
"""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cri_shim.pb import api_pb2
from cri_shim.spec.host import HostDevice
from cri_shim.spec.origins import BUILT_IN, OFF, Origins, cri

# The OCI runtime makes these, or mounts over them. The host's node of such a name would be another
# terminal.
_NOT_THE_HOSTS = ("/dev/console", "/dev/ptmx", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd")
_RUNTIMES_OWN = ("null", "zero", "full", "random", "urandom", "tty")
_RULES = ("linux", "resources", "devices")
_PRIVILEGED = cri("config.linux.security_context.privileged")
_MKNOD = [("c", None, None, "m"), ("b", None, None, "m")]
_USUAL = [
    ("c", 1, 3, "rwm"),  # null
    ("c", 1, 5, "rwm"),  # zero
    ("c", 1, 7, "rwm"),  # full
    ("c", 1, 8, "rwm"),  # random
    ("c", 1, 9, "rwm"),  # urandom
    ("c", 5, 0, "rwm"),  # tty
    ("c", 5, 1, "rwm"),  # console
    ("c", 5, 2, "rwm"),  # ptmx
    ("c", 136, None, "rwm"),  # pts
]


def resolve(device: api_pb2.Device, found: Mapping[str, HostDevice]) -> list[HostDevice]:
    """Return the nodes that a requested device adds to the container.

    `found` has the nodes at its host_path: path below it -> node; a path of "" is host_path itself.
    """
    path = device.container_path or device.host_path
    access = device.permissions or "rwm"
    return [
        replace(node, path=posixpath.normpath(f"{path}/{below}"), access=access)
        for below, node in sorted(found.items())
    ]


def nodes(
    devices: Sequence[HostDevice],
    host_devices: Sequence[HostDevice],
    *,
    privileged: bool,
    origins: Origins = OFF,
) -> list[dict[str, Any]]:
    """Return linux.devices: a node of the request replaces the host's node of the same path."""
    chosen = _chosen(devices, host_devices, privileged)
    if origins:
        for path, device in chosen.items():
            origins.put(device.origin or _PRIVILEGED, "linux", "devices", path)
    return [_node(path, chosen[path]) for path in sorted(chosen)]


def sources(
    devices: Sequence[HostDevice], host_devices: Sequence[HostDevice], *, privileged: bool
) -> dict[str, str]:
    """Return the paths of those nodes on the host, by their path in the container.

    The nodes that the OCI runtime always makes are left out: runc fails if one exists already.
    """
    chosen = _chosen(devices, host_devices, privileged)
    own = {f"/dev/{name}" for name in _RUNTIMES_OWN}
    return {path: device.source or path for path, device in chosen.items() if path not in own}


def _chosen(
    devices: Sequence[HostDevice], host_devices: Sequence[HostDevice], privileged: bool
) -> dict[str, HostDevice]:
    chosen: dict[str, HostDevice] = {}
    if privileged:
        chosen |= {d.path: d for d in host_devices if not _is_kept_away(d.path)}
    return chosen | {posixpath.normpath(d.path): d for d in devices}


def rules(
    devices: Sequence[HostDevice], *, privileged: bool, origins: Origins = OFF
) -> list[dict[str, Any]]:
    """Return linux.resources.devices: it allows the usual devices and those of the request."""
    if privileged:
        origins.put(_PRIVILEGED, *_RULES)
        return [{"allow": True, "access": "rwm"}]
    usual = [_allow(*rule) for rule in (*_MKNOD, *_USUAL)]
    found = [{"allow": False, "access": "rwm"}, *usual]
    origins.put(BUILT_IN, *_RULES)
    return add_allowances(found, devices, origins)


def add_allowances(
    before: Sequence[dict[str, Any]], devices: Sequence[HostDevice], origins: Origins = OFF
) -> list[dict[str, Any]]:
    """Return linux.resources.devices with further entries that allow these devices."""
    allowed = [device for device in devices if device.type in "bc"]
    if origins:
        for number, device in enumerate(allowed, len(before)):
            origins.put(device.origin, *_RULES, str(number))
    return [*before, *(_allow(d.type, d.major, d.minor, d.access) for d in allowed)]


def _is_kept_away(path: str) -> bool:
    return any(path == p or path.startswith(p + "/") for p in _NOT_THE_HOSTS)


def _node(path: str, device: HostDevice) -> dict[str, Any]:
    node: dict[str, Any] = {"path": path, "type": device.type}
    if device.type != "p":
        node |= {"major": device.major, "minor": device.minor}
    return node | {"fileMode": device.mode & 0o7777, "uid": device.uid, "gid": device.gid}


def _allow(kind: str, major: int | None, minor: int | None, access: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"allow": True, "type": kind}
    if major is not None:
        rule["major"] = major
    if minor is not None:
        rule["minor"] = minor
    return rule | {"access": access}
