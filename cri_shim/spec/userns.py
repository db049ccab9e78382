"""User namespaces: a pod's ids, and what they are on the node.

A pod has one range of users and one of groups, and all its namespaces belong to its user namespace;
its containers join that one. Root inside is an ordinary user of the node.
"""

from dataclasses import dataclass
from pathlib import Path

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2

_OPTIONS = "config.linux.security_context.namespace_options"
FIELD = f"{_OPTIONS}.userns_options"


@dataclass(frozen=True, slots=True)
class IdRange:
    """Ids 0 to length - 1 inside are host_id and following on the node."""

    host_id: int
    length: int

    def on_node(self, id: int) -> int | None:
        """What the node knows the id `id` of the namespace as; None: it is none of it."""
        return self.host_id + id if 0 <= id < self.length else None

    def inside(self, id: int) -> int | None:
        """What the id `id` of the node is in the namespace; None: nothing."""
        return id - self.host_id if self.host_id <= id < self.host_id + self.length else None

    def to_oci(self) -> list[dict[str, int]]:
        return [{"containerID": 0, "hostID": self.host_id, "size": self.length}]

    def to_kernel(self) -> str:
        """The line of /proc/PID/uid_map, or gid_map."""
        return f"0 {self.host_id} {self.length}\n"


@dataclass(frozen=True, slots=True)
class IdMap:
    """The users and groups of a user namespace."""

    users: IdRange
    groups: IdRange

    @classmethod
    def same(cls, host_id: int, length: int) -> "IdMap":
        """The same range for both, as the kubelet has it."""
        return cls(IdRange(host_id, length), IdRange(host_id, length))

    @property
    def root(self) -> tuple[int, int]:
        """What the node knows root as: user and group."""
        return self.users.host_id, self.groups.host_id

    def of_linux(self) -> dict[str, list[dict[str, int]]]:
        """Keys of the document's `linux`: runtimes want them, although the namespace has them."""
        return {"uidMappings": self.users.to_oci(), "gidMappings": self.groups.to_oci()}


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
    return _of(options.userns_options)


def root_of(config: api_pb2.PodSandboxConfig) -> tuple[int, int]:
    """What the node knows the root of a pod's containers as: user and group."""
    ids = of_pod(config)
    return (0, 0) if ids is None else ids.root


def _of(options: api_pb2.UserNamespace) -> IdMap:
    users, groups = (IdRange(m.host_id, m.length) for m in (options.uids[0], options.gids[0]))
    return IdMap(users, groups)


def check_container(config: api_pb2.ContainerConfig, of_its_pod: IdMap | None) -> None:
    """InvalidArgument where a container asks for what its pod does not have.

    One that says nothing has its pod's user namespace; it cannot leave that, nor see the node's
    processes from it.
    """
    options = config.linux.security_context.namespace_options
    if options.HasField("userns_options"):
        asked = options.userns_options
        own = _of(asked) if asked.uids else None
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
