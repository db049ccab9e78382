"""Kernel parameters of a pod: which namespace each belongs to, and how it is set.

A parameter that is not namespaced would change the whole host, one whose namespace the pod shares
with the host would change the host's: both are refused before anything is made.
"""

import errno
from collections.abc import Container, Mapping
from pathlib import Path

from cri_shim.errors import InvalidArgument

_IPC = frozenset(
    {
        "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem", "kernel/shmall",
        "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced",
    }
)  # fmt: skip
_UTS = frozenset({"kernel/hostname", "kernel/domainname"})
FIELD = "config.linux.sysctls"
# What the kernel answers to a value, or to a parameter only the host's namespace may set.
_REFUSALS = frozenset({errno.EINVAL, errno.ERANGE, errno.EACCES, errno.EPERM, errno.EOPNOTSUPP})


def path_of(name: str) -> str:
    """A parameter's path below /proc/sys, for a name with dots or with slashes.

    As in sysctl(8), the first separator decides; the other character is part of a name then
    (`net.ipv4.conf.eth0/1.forwarding` is the interface `eth0.1`).
    """
    first = next((c for c in name if c in "./"), "/")
    path = name if first == "/" else name.translate({ord("."): "/", ord("/"): "."})
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidArgument(f"{FIELD}[{name}]", "is not the name of a kernel parameter")
    return path


def namespace_of(path: str) -> str | None:
    """The kind of namespace a parameter belongs to: net, ipc, uts; None for the host's own."""
    if path.startswith("net/"):
        return "net"
    if path in _IPC or path.startswith("fs/mqueue/"):
        return "ipc"
    return "uts" if path in _UTS else None


def check(sysctls: Mapping[str, str], own: Container[str]) -> dict[str, str]:
    """The path of each parameter, by its name; `own` are the kinds of namespaces the pod has.

    Raises InvalidArgument for one that would reach outside of the pod.
    """
    paths: dict[str, str] = {}
    for name in sysctls:
        paths[name] = path_of(name)
        kind = namespace_of(paths[name])
        if kind is None:
            problem = "is not namespaced: it would change the whole node"
            raise InvalidArgument(f"{FIELD}[{name}]", problem)
        if kind not in own:
            problem = f"the pod shares the node's {kind} namespace, which it would change"
            raise InvalidArgument(f"{FIELD}[{name}]", problem)
    return paths


def write(name: str, path: str, value: str) -> None:
    """Set one parameter in the namespaces of the calling thread.

    Raises InvalidArgument where the kernel does not know the parameter or refuses the value.
    """
    file = Path("/proc/sys") / path
    try:
        file.write_text(value)
    except FileNotFoundError as e:
        raise InvalidArgument(f"{FIELD}[{name}]", "this kernel has no such parameter") from e
    except OSError as e:
        if e.errno not in _REFUSALS:
            raise
        problem = f"the kernel refuses {value!r}: {e.strerror}"
        raise InvalidArgument(f"{FIELD}[{name}]", problem) from e
