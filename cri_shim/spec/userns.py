"""User namespaces: a pod's ids, and what they are on the node.

A pod has one mapping, the same for users and groups, and all its namespaces belong to its user
namespace; its containers join that one. Root inside is an ordinary user of the node.
"""

from dataclasses import dataclass
from pathlib import Path

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2

_OPTIONS = "config.linux.security_context.namespace_options"
FIELD = f"{_OPTIONS}.userns_options"


@dataclass(frozen=True, slots=True)
class IdMap:
    """Ids 0 to length - 1 inside are host_id and following on the node."""

    host_id: int
    length: int

    def of_linux(self) -> dict[str, list[dict[str, int]]]:
        """Keys of the document's `linux`: runtimes want them, although the namespace has them."""
        mapping = {"containerID": 0, "hostID": self.host_id, "size": self.length}
        return {"uidMappings": [mapping], "gidMappings": [dict(mapping)]}

    def to_kernel(self) -> str:
        """The line of /proc/PID/uid_map."""
        return f"0 {self.host_id} {self.length}\n"


@dataclass(frozen=True, slots=True)
class UserNamespace:
    """One that is pinned to `path`."""

    path: Path
    ids: IdMap


def of_pod(config: api_pb2.PodSandboxConfig) -> IdMap | None:
    """The mapping a validated pod asks for; None: it has no user namespace (the CRI's NODE)."""
    options = config.linux.security_context.namespace_options
    if not options.HasField("userns_options") or options.userns_options.mode != api_pb2.POD:
        return None
    mapping = options.userns_options.uids[0]
    return IdMap(mapping.host_id, mapping.length)


def check_container(config: api_pb2.ContainerConfig, of_its_pod: IdMap | None) -> None:
    """InvalidArgument where a container asks for what its pod does not have.

    One that says nothing has its pod's user namespace; it cannot leave that, nor see the node's
    processes from it.
    """
    options = config.linux.security_context.namespace_options
    if options.HasField("userns_options"):
        asked = options.userns_options
        own = IdMap(asked.uids[0].host_id, asked.uids[0].length) if asked.uids else None
        if own != of_its_pod:
            raise InvalidArgument(FIELD, "is not that of the pod")
    if of_its_pod is not None and options.pid == api_pb2.NODE:
        problem = "NODE, but the pod has a user namespace, to which all others belong"
        raise InvalidArgument(f"{_OPTIONS}.pid", problem)
    for index, mount in enumerate(config.mounts):
        for field in ("uidMappings", "gidMappings"):
            given = [(m.container_id, m.host_id, m.length) for m in getattr(mount, field)]
            if bool(given) != bool(mount.uidMappings):
                raise InvalidArgument(
                    f"config.mounts[{index}].{field}", "uids and gids go together"
                )
            if given and (
                of_its_pod is None or given != [(0, of_its_pod.host_id, of_its_pod.length)]
            ):
                problem = "is not the mapping of the pod's user namespace"
                raise InvalidArgument(f"config.mounts[{index}].{field}", problem)
