"""User namespaces: the ids of a pod, and their ids on the node.

A pod has one range of users and one of groups. Its user namespace owns all its other namespaces,
and its containers join it. Root of the user namespace is an unprivileged user of the node.
"""

from dataclasses import dataclass
from pathlib import Path

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2

_OPTIONS = "config.linux.security_context.namespace_options"
FIELD = f"{_OPTIONS}.userns_options"


@dataclass(frozen=True, slots=True)
class IdRange:
    """Ids 0 to length - 1 of the namespace are host_id and following on the node."""

    host_id: int
    length: int

    def on_node(self, id: int) -> int | None:
        """Return the node's id of the id `id` in the namespace; None if it is not mapped."""
        return self.host_id + id if 0 <= id < self.length else None

    def inside(self, id: int) -> int | None:
        """Return the namespace's id of the id `id` on the node; None if it is not mapped."""
        return id - self.host_id if self.host_id <= id < self.host_id + self.length else None

    def to_oci(self) -> list[dict[str, int]]:
        return [{"containerID": 0, "hostID": self.host_id, "size": self.length}]

    def to_kernel(self) -> str:
        """Return the line of /proc/PID/uid_map, or gid_map."""
        return f"0 {self.host_id} {self.length}\n"


@dataclass(frozen=True, slots=True)
class IdMap:
    """The users and groups of a user namespace."""

    users: IdRange
    groups: IdRange

    @classmethod
    def same(cls, host_id: int, length: int) -> "IdMap":
        """Return a map with the same range for users and groups, as the kubelet assigns it."""
        return cls(IdRange(host_id, length), IdRange(host_id, length))

    @property
    def root(self) -> tuple[int, int]:
        """Return the user and group of the node that are root in the namespace."""
        return self.users.host_id, self.groups.host_id

    def to_words(self) -> str:
        """Return "FIRST:LENGTH,FIRST:LENGTH" of users and groups, for a program of ours."""
        return ",".join(f"{ids.host_id}:{ids.length}" for ids in (self.users, self.groups))

    def of_linux(self) -> dict[str, list[dict[str, int]]]:
        """Return keys of the document's `linux`; OCI runtimes need them for any user namespace."""
        return {"uidMappings": self.users.to_oci(), "gidMappings": self.groups.to_oci()}


@dataclass(frozen=True, slots=True)
class UserNamespace:
    """A user namespace that is pinned to `path`."""

    path: Path
    ids: IdMap


def of_pod(config: api_pb2.PodSandboxConfig) -> IdMap | None:
    """Return the mapping of a validated pod; None if it has no user namespace (the CRI's NODE)."""
    options = config.linux.security_context.namespace_options
    if not options.HasField("userns_options") or options.userns_options.mode != api_pb2.POD:
        return None
    return _of(options.userns_options)


def root_of(config: api_pb2.PodSandboxConfig) -> tuple[int, int]:
    """Return the user and group of the node that are root in a pod's containers."""
    ids = of_pod(config)
    return (0, 0) if ids is None else ids.root


def _of(options: api_pb2.UserNamespace) -> IdMap:
    users, groups = (IdRange(m.host_id, m.length) for m in (options.uids[0], options.gids[0]))
    return IdMap(users, groups)


def check_container(config: api_pb2.ContainerConfig, of_its_pod: IdMap | None) -> None:
    """Raise InvalidArgument if a container's user namespace options differ from its pod's.

    A container without options has its pod's user namespace. It cannot leave it, and it cannot see
    the node's processes from it.
    """
    options = config.linux.security_context.namespace_options
    if options.HasField("userns_options"):
        requested = options.userns_options
        own = _of(requested) if requested.uids else None
        if own != of_its_pod:
            raise InvalidArgument(FIELD, "is not that of the pod")
    if of_its_pod is not None and options.pid == api_pb2.NODE:
        problem = "NODE, but the pod has a user namespace, to which all others belong"
        raise InvalidArgument(f"{_OPTIONS}.pid", problem)
    for index, mount in enumerate(config.mounts):
        _check_mount(f"config.mounts[{index}]", mount, of_its_pod)


def _check_mount(at: str, mount: api_pb2.Mount, ids: IdMap | None) -> None:
    known = None if ids is None else (ids.users, ids.groups)
    for number, field in enumerate(("uidMappings", "gidMappings")):
        given = getattr(mount, field)
        if bool(given) != bool(mount.uidMappings):
            raise InvalidArgument(f"{at}.{field}", "uids and gids go together")
        found = [(m.container_id, IdRange(m.host_id, m.length)) for m in given]
        if found and (known is None or found != [(0, known[number])]):
            problem = "is not the mapping of the pod's user namespace"
            raise InvalidArgument(f"{at}.{field}", problem)
