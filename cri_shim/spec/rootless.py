"""A document as an ordinary user's OCI runtime can carry it out.

Root of a user namespace may mount a file system that shows a namespace only where that namespace
belongs to its own: for what a pod shares with the node, the node's mount is bound instead, as
podman does it; its message queues are not shown. Device nodes are bound as well. Without control
groups nothing is said of them, and none are shown.
"""

from collections.abc import Container, Mapping
from types import MappingProxyType
from typing import Any

from cri_shim.spec.document import Document
from cri_shim.spec.host import Host

# File system -> the namespace that it shows.
_SHOWS = {"sysfs": "network", "proc": "pid"}
_WHOLE = ("memory", "pids")  # of linux.resources, that are one controller's
_SAFE = ["nosuid", "noexec", "nodev"]


def adapted(
    document: Document, host: Host, devices: Mapping[str, str] = MappingProxyType({})
) -> Document:
    """The document changed in its mounts, and in all that says "cgroup", as far as `host` has it.

    `devices` says where the device nodes are on the host, by their path in the container: they
    cannot be made, and are bound.
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
    # Not every node has /dev/mqueue mounted; queues are opened by system calls, not there.
    absent = {
        kind for kind, out in (("cgroup", not host.limits), ("mqueue", "ipc" not in own)) if out
    }
    kept = [mount for mount in document["mounts"] if mount.get("type") not in absent]
    mounts = [_adapted(mount, own) for mount in kept]
    mounts += [_bound(source, path) for path, source in sorted(devices.items())]
    return {**document, "mounts": mounts, "linux": linux}


def _limits(resources: Mapping[str, Any], lacking: Container[str]) -> dict[str, Any]:
    """What can be limited. Rules for devices are the real root's: there are no nodes to make."""
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
