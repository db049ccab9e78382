"""Kernel parameters of a pod: the namespace of each, and when and how it is set.

A parameter that is not namespaced would change the whole host. A parameter of a namespace that the
pod shares with the host would change the host's. Both are refused before anything is made.

- `net.*.conf.INTERFACE.*` and `net.*.neigh.INTERFACE.*` exist only while the interface exists. They
  are set after the network plugins have run. All others are set before, so that an interface is
  made with the values of `conf.default`.
- With a user namespace, `net.*` and `user.*` are set from inside it (`isolation/userns.py`). The
  kernel interprets the group ids of ping_group_range as the writer's, and selects `user.*` by the
  writer.
"""

import errno
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cri_shim.errors import InvalidArgument
from cri_shim.untrusted import printable

_IPC = frozenset(
    {
        "kernel/auto_msgmni", "kernel/msg_next_id", "kernel/msgmax", "kernel/msgmnb",
        "kernel/msgmni", "kernel/sem", "kernel/sem_next_id", "kernel/shm_next_id", "kernel/shmall",
        "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced",
    }
)  # fmt: skip
_UTS = frozenset({"kernel/hostname", "kernel/domainname"})
_OF_INTERFACES = frozenset({"conf", "neigh"})  # net/FAMILY/conf/INTERFACE/...
_ALWAYS_THERE = frozenset({"all", "default", "lo"})  # in place of an interface's name
_OF_THE_NODE = "it is not namespaced: it would change the whole node"
FIELD = "config.linux.sysctls"
DEFAULTS_FIELD = "the node's default_sysctls"
# The kernel's errors for a bad value, or for a parameter that only the host's namespace may set.
_REFUSALS = frozenset({errno.EINVAL, errno.ERANGE, errno.EACCES, errno.EPERM, errno.EOPNOTSUPP})


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter and its value. `field` is the request's field."""

    name: str
    value: str
    path: str  # below /proc/sys
    kind: str  # of its namespace: net, ipc, uts, user
    field: str

    @property
    def data(self) -> bytes:
        """The bytes to write: a write of no bytes would set nothing."""
        return (self.value or "\n").encode()

    @property
    def interface(self) -> str:
        """The network interface of the parameter; "" if it needs none."""
        parts = self.path.split("/")
        of_one = len(parts) > 4 and parts[0] == "net" and parts[2] in _OF_INTERFACES
        return parts[3] if of_one and parts[3] not in _ALWAYS_THERE else ""

    def refusal(self, problem: str) -> InvalidArgument:
        """Return the error for it, with field, parameter, value and problem."""
        value = printable(self.value, 80)
        return InvalidArgument(f"{self.field}[{self.name}]", f"{value!r} is not set: {problem}")

    def missing(self) -> InvalidArgument:
        if self.interface:
            return self.refusal(f"the pod's network has no interface {self.interface!r}")
        return self.refusal("this kernel has no such parameter in a pod's namespace")


def parameters(
    requested: Mapping[str, str], own: Container[str], defaults: Mapping[str, str] | None = None
) -> list[Parameter]:
    """Return the parameters to set in a pod that has its own namespaces of the kinds `own`.

    `defaults` are the node's, checked by `check_defaults`. One is left out if the pod shares its
    namespace with the node, or requests its own value. Raises InvalidArgument for a parameter that
    would have an effect outside the pod.
    """
    wanted = {path_of(name): (name, value, FIELD) for name, value in requested.items()}
    for name, value in (defaults or {}).items():
        path = path_of(name, DEFAULTS_FIELD)
        if namespace_of(path) in own:
            wanted.setdefault(path, (name, value, DEFAULTS_FIELD))
    found: list[Parameter] = []
    for path, (name, value, field) in wanted.items():
        kind = namespace_of(path)
        parameter = Parameter(name, value, path, kind or "", field)
        if kind is None:
            raise parameter.refusal(_OF_THE_NODE)
        if kind not in own:
            raise parameter.refusal(f"the pod shares the node's {kind} namespace")
        found.append(parameter)
    return found


def check_defaults(defaults: Mapping[str, str]) -> None:
    """Raise InvalidArgument for a default that no pod can have."""
    for name, value in defaults.items():
        path = path_of(name, DEFAULTS_FIELD)
        if namespace_of(path) is None:
            raise Parameter(name, value, path, "", DEFAULTS_FIELD).refusal(_OF_THE_NODE)


def path_of(name: str, field: str = FIELD) -> str:
    """Return a parameter's path below /proc/sys, for a name with dots or with slashes.

    As in sysctl(8), the first separator decides; the other character is then part of a name
    (`net.ipv4.conf.eth0/1.forwarding` is the interface `eth0.1`).
    """
    first = next((c for c in name if c in "./"), "/")
    path = name if first == "/" else name.translate({ord("."): "/", ord("/"): "."})
    if any(part in ("", ".", "..") for part in path.split("/")) or not path.isprintable():
        problem = "is not the name of a kernel parameter"
        raise InvalidArgument(f"{field}[{printable(name, 80)}]", problem)
    return path


def namespace_of(path: str) -> str | None:
    """Return the kind of a parameter's namespace: net, ipc, uts, user; None for the host's."""
    if path.startswith("net/"):
        return "net"
    if path.startswith("user/"):
        return "user"
    if path in _IPC or path.startswith("fs/mqueue/"):
        return "ipc"
    return "uts" if path in _UTS else None


def write(wanted: Iterable[Parameter]) -> None:
    """Set parameters in the namespaces of the calling thread.

    Raises InvalidArgument if the kernel does not know one or refuses its value.
    """
    for parameter in wanted:
        try:
            Path("/proc/sys", parameter.path).write_bytes(parameter.data)
        except FileNotFoundError as e:
            raise parameter.missing() from e
        except OSError as e:
            if e.errno not in _REFUSALS:
                raise
            raise parameter.refusal(f"the kernel refuses it: {e.strerror}") from e
