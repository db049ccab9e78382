"""Changes a document so that the OCI runtime of an unprivileged user can execute it.

Root of a user namespace can mount a file system that shows a namespace only if its user namespace
owns that namespace. If a pod shares the namespace with the node, the node's mount is bound instead,
as in podman; the node's message queues are left out. Device nodes are bound as well. Without
cgroups the document has no limits, no cgroup namespace and no cgroup mount.
"""

from collections.abc import Container, Mapping
from types import MappingProxyType
from typing import Any

from cri_shim.spec.document import Document
from cri_shim.spec.host import Host
from cri_shim.spec.origins import BUILT_IN, OFF, Origins

# File system -> the namespace that it shows.
_SHOWS = {"sysfs": "network", "proc": "pid"}
_WHOLE = ("memory", "pids")  # keys of linux.resources that belong to one controller
_SAFE = ["nosuid", "noexec", "nodev"]


def adapted(
    document: Document,
    host: Host,
    devices: Mapping[str, str] = MappingProxyType({}),
    origins: Origins = OFF,
) -> Document:
    """Return the document with changed mounts, and without the cgroup parts that `host` lacks.

    `devices` has the host paths of device nodes, by their path in the container: an unprivileged
    user cannot make nodes, so they are bound.
    """
    linux = dict(document["linux"])
    linux.pop("devices", None)
    if host.limits:
        linux["resources"] = _limits(linux["resources"], host.lacking)
    else:
        linux.pop("cgroupsPath", None)
        linux.pop("resources", None)
        linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != "cgroup"]
    own = {namespace["type"] for namespace in linux["namespaces"]}
    # Not every node has /dev/mqueue mounted; programs open queues by system calls, without this
    # mount.
    absent = {
        kind for kind, out in (("cgroup", not host.limits), ("mqueue", "ipc" not in own)) if out
    }
    kept = [mount for mount in document["mounts"] if mount.get("type") not in absent]
    mounts = [_adapted(mount, own) for mount in kept]
    if origins:
        for path in devices:
            origins.put(BUILT_IN, "mounts", path)
    mounts += [_bound(source, path) for path, source in sorted(devices.items())]
    return {**document, "mounts": mounts, "linux": linux}


def _limits(resources: Mapping[str, Any], lacking: Container[str]) -> dict[str, Any]:
    """Return the supported limits, without device rules.

    Only the real root can set device rules; an unprivileged user can make no nodes anyway.
    """
    found = {key: value for key, value in resources.items() if key not in ("devices", *_WHOLE)}
    found |= {key: resources[key] for key in _WHOLE if key in resources and key not in lacking}
    if "cpu" in found:
        of = {key: "cpuset" if key in ("cpus", "mems") else "cpu" for key in found["cpu"]}
        found["cpu"] = {k: v for k, v in found["cpu"].items() if of[k] not in lacking}
    return {key: value for key, value in found.items() if value}


def _bound(source: str, path: str) -> dict[str, Any]:
    options = ["bind", "rprivate", "nosuid", "noexec"]
    return {"destination": path, "type": "bind", "source": source, "options": options}


def _adapted(mount: dict[str, Any], own: Container[str]) -> dict[str, Any]:
    kind = mount.get("type", "")
    if kind not in _SHOWS or _SHOWS[kind] in own:
        return mount
    readonly = [option for option in mount["options"] if option in ("ro", "rw")]
    return {
        "destination": mount["destination"],
        "type": "bind",
        "source": mount["destination"],
        "options": ["rbind", "rprivate", *_SAFE, *readonly],
    }
