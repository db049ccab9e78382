"""A document as an ordinary user's OCI runtime can carry it out.

Root of a user namespace may mount a file system that shows a namespace only where that namespace
belongs to its own: for what a pod shares with the node, the node's mount is bound instead, as
podman does it; its message queues are not shown. Without control groups nothing is said of them,
and none are shown.
"""

from collections.abc import Container
from typing import Any

from cri_shim.spec.document import Document

# File system -> the namespace that it shows.
_SHOWS = {"sysfs": "network", "proc": "pid"}
_SAFE = ["nosuid", "noexec", "nodev"]


def adapted(document: Document, *, limits: bool) -> Document:
    """The document changed in its mounts; without `limits` also in all that says "cgroup"."""
    linux = dict(document["linux"])
    if not limits:
        linux.pop("cgroupsPath", None)
        linux.pop("resources", None)
        linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != "cgroup"]
    own = {namespace["type"] for namespace in linux["namespaces"]}
    # Not every node has /dev/mqueue mounted; queues are opened by system calls, not there.
    absent = {kind for kind, out in (("cgroup", not limits), ("mqueue", "ipc" not in own)) if out}
    kept = [mount for mount in document["mounts"] if mount.get("type") not in absent]
    mounts = [_adapted(mount, own) for mount in kept]
    return {**document, "mounts": mounts, "linux": linux}


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
