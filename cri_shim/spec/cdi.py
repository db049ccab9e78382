"""Container Device Interface: a vendor's edits of the document for containers with its devices.

A specification has devices of one kind ("vendor.com/class"). It lists edits of a container's
document for each device, and edits for all devices together: nodes, mounts, environment, hooks,
groups. The format is the CDI specification of the CNCF, from version 0.3.0 on. cdi_file.py reads
the files.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cri_shim.errors import InvalidArgument
from cri_shim.spec import devices
from cri_shim.spec.document import Document
from cri_shim.spec.host import HostDevice
from cri_shim.spec.origins import OFF, Origins

SHOWN = 3  # problems in one error
ANNOTATION = "cdi.k8s.io/"  # prefix of annotations whose values are names of devices
NAME = re.compile(
    r"(?P<kind>[A-Za-z][A-Za-z0-9_.-]*/[A-Za-z][A-Za-z0-9_.-]*)=(?P<name>[A-Za-z0-9][\w.:-]*)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Node:
    """A device node; the host's node at `host_path` has the type and numbers that are missing.

    A missing mode is 0666. A missing uid or gid is that of the container's user.
    """

    path: str
    host_path: str
    type: str = ""  # "" = as on the host
    major: int = 0
    minor: int = 0
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    access: str = "rwm"


@dataclass(frozen=True, slots=True)
class Edits:
    """Edits of a document; later ones win."""

    env: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()
    mounts: tuple[Mapping[str, Any], ...] = ()  # in OCI form
    hooks: tuple[tuple[str, Mapping[str, Any]], ...] = ()  # (kind of hook, in OCI form)
    gids: tuple[int, ...] = ()
    unknown: tuple[str, ...] = ()  # edits that are not supported
    origin: str = field(default="", compare=False)  # the names of the devices; see origins

    def __add__(self, other: "Edits") -> "Edits":
        return Edits(
            self.env + other.env,
            self.nodes + other.nodes,
            self.mounts + other.mounts,
            self.hooks + other.hooks,
            self.gids + other.gids,
            self.unknown + other.unknown,
            ", ".join(filter(None, (self.origin, other.origin))),
        )


NO_EDITS = Edits()


@dataclass(frozen=True, slots=True)
class Spec:
    """One specification file."""

    path: str
    priority: int  # of its directory; the higher wins
    kind: str
    devices: Mapping[str, Edits] = field(default_factory=dict)
    edits: Edits = NO_EDITS  # for every container with any of the devices


def names(
    devices: Iterable[str], annotations: Mapping[str, str], field: str = "config"
) -> dict[str, str]:
    """Return the requested devices, each once: name -> the field that requests it.

    A request has them in CDI_devices and in annotations.
    """
    requested: dict[str, str] = {}
    for index, name in enumerate(devices):
        requested.setdefault(name, f"{field}.CDI_devices[{index}].name")
    for key in sorted(annotations):
        if key.startswith(ANNOTATION):
            for name in annotations[key].split(","):
                requested.setdefault(name, f"{field}.annotations[{key}]")
    for name, at in requested.items():
        if not NAME.fullmatch(name):
            problem = f"{name[:80]!r} is no device's name: vendor.com/class=name"
            raise InvalidArgument(at, problem)
    return requested


def select(specs: Sequence[Spec], requested: Mapping[str, str], problems: Sequence[str]) -> Edits:
    """Return the edits for the devices `requested` for (name -> field).

    The common edits of a Spec come first, and once. A device of a later directory replaces that of
    an earlier one. InvalidArgument if no Spec has the device, or if two Specs of one directory have
    it. `problems` are the files that cannot be read; the error lists them, because they may have
    the device.
    """
    common: dict[str, Edits] = {}
    own = NO_EDITS
    for name, at in requested.items():
        kind, _, device = name.partition("=")
        matching = [spec for spec in specs if spec.kind == kind and device in spec.devices]
        if not matching:
            unread = f"; files that cannot be read: {_listed(problems)}" if problems else ""
            raise InvalidArgument(at, f"no CDI device {name} on this node{unread}")
        best = max(spec.priority for spec in matching)
        chosen = [spec for spec in matching if spec.priority == best]
        if len(chosen) > 1:
            files = " and ".join(sorted(spec.path for spec in chosen))
            raise InvalidArgument(at, f"CDI device {name} is in {files}: which one is not said")
        common[chosen[0].path] = chosen[0].edits
        own += replace(chosen[0].devices[device], origin=name)
        if unknown := chosen[0].edits.unknown + own.unknown:
            problem = f"CDI device {name} needs {', '.join(unknown)}, which is not done here"
            raise InvalidArgument(at, problem)
    found = sum(common.values(), NO_EDITS) + own
    return replace(found, origin=f"CDI {found.origin}") if requested else found


def _listed(problems: Sequence[str]) -> str:
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return "; ".join(problems[:SHOWN]) + more


def applied(
    document: Document, edits: Edits, nodes: Sequence[HostDevice], origins: Origins = OFF
) -> Document:
    """Return a container's document with the edits; `nodes` are edits.nodes as on the host."""
    taken = {mount["destination"] for mount in edits.mounts}
    kept = [mount for mount in document["mounts"] if mount["destination"] not in taken]
    kept += [dict(mount) for mount in edits.mounts]
    changed = {
        **document,
        "process": _process(document["process"], edits),
        "mounts": sorted(kept, key=lambda m: m["destination"].count("/")),
        "linux": _linux(document["linux"], nodes, origins),
    }
    hooks: dict[str, list[Any]] = {kind: [*of] for kind, of in document.get("hooks", {}).items()}
    for kind, hook in edits.hooks:
        entries = hooks.setdefault(kind, [])
        origins.put(edits.origin, "hooks", kind, str(len(entries)))
        entries.append(dict(hook))
    if origins:
        _record(origins, edits)
    return changed | {"hooks": hooks} if hooks else changed


def _record(origins: Origins, edits: Edits) -> None:
    for mount in edits.mounts:
        origins.put(edits.origin, "mounts", mount["destination"])
    for entry in edits.env:
        origins.put(edits.origin, "process", "env", entry.partition("=")[0])
    for gid in edits.gids:
        origins.put(edits.origin, "process", "user", "additionalGids", str(gid))


def _process(process: Mapping[str, Any], edits: Edits) -> dict[str, Any]:
    env = dict(entry.split("=", 1) for entry in [*process["env"], *edits.env])
    user = process["user"]
    gids = list(dict.fromkeys([*user.get("additionalGids", []), *edits.gids]))
    return {
        **process,
        "env": [f"{name}={value}" for name, value in env.items()],
        "user": {**user, "additionalGids": gids},
    }


def _linux(
    linux: Mapping[str, Any], nodes: Sequence[HostDevice], origins: Origins
) -> dict[str, Any]:
    ours = {node.path for node in nodes}
    kept = [node for node in linux["devices"] if node["path"] not in ours]
    resources = linux["resources"]
    rules = devices.add_allowances(resources["devices"], nodes, origins)
    return {
        **linux,
        "devices": kept + devices.nodes(nodes, (), privileged=False, origins=origins),
        "resources": {**resources, "devices": rules},
    }
