"""SELinux labels of a container's process and of its files.

A label is user:role:type:level. Parts that the request does not set come from the node's defaults
for containers (lxc_contexts). A level that is not set gets two categories, computed from the pod's
id: all containers of a pod have the same, and different pods nearly always have different ones.
"""

import hashlib
from dataclasses import dataclass

from cri_shim.pb import api_pb2

_CATEGORIES = 1024


@dataclass(frozen=True, slots=True)
class Defaults:
    """The node's complete labels for containers."""

    process: str = "system_u:system_r:container_t:s0"
    file: str = "system_u:object_r:container_file_t:s0"


def defaults(lxc_contexts: str) -> Defaults:
    """Parse the policy's lxc_contexts file: lines of `process = "LABEL"`."""
    found: dict[str, str] = {}
    for line in lxc_contexts.splitlines():
        key, equals, value = line.partition("=")
        if equals and not key.startswith("#"):
            found[key.strip()] = value.strip().strip('"')
    own = Defaults()
    return Defaults(found.get("process", own.process), found.get("file", own.file))


def level(pod_id: str) -> str:
    """Return the level of a pod whose request has none: "s0:c17,c391"."""
    number = int.from_bytes(hashlib.sha256(pod_id.encode()).digest()[:8], "big")
    first = number % _CATEGORIES
    second = (first + 1 + (number // _CATEGORIES) % (_CATEGORIES - 1)) % _CATEGORIES
    low, high = sorted((first, second))
    return f"s0:c{low},c{high}"


def labels(
    asked: api_pb2.SELinuxOption, pod_id: str, of_node: Defaults, *, privileged: bool
) -> tuple[str, str]:
    """Return (process label, mount label).

    A privileged process has a label only if the request asks for one.
    """
    parts = of_node.process.split(":", 3)
    given = (asked.user, asked.role, asked.type, asked.level or level(pod_id))
    process = ":".join(new or old for new, old in zip(given, parts, strict=False))
    file = of_node.file.split(":", 3)
    mount = ":".join([asked.user or file[0], *file[1:3], given[3]])
    named = asked.user or asked.role or asked.type or asked.level
    return ("" if privileged and not named else process), mount
