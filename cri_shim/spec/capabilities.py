"""The capability sets of a container.

The default set is that of containerd and Docker, unless the node has its own. "ALL" and
`privileged` mean the bounding set of the daemon: if a document asks the kernel for more, the
container fails. For the same reason a request that names a capability outside this set is refused
here; the error can still name the field.
"""

from collections.abc import Iterable, Iterator

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import origins as of
from cri_shim.spec.host import Host
from cri_shim.spec.origins import OFF, Origins

# In the kernel's order; index = number.
_ALL_NAMES = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
PERFMON BPF CHECKPOINT_RESTORE
"""
_DEFAULT_NAMES = """
CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE
SYS_CHROOT KILL AUDIT_WRITE
"""
KNOWN = tuple(f"CAP_{name}" for name in _ALL_NAMES.split())
DEFAULT = frozenset(f"CAP_{name}" for name in _DEFAULT_NAMES.split())
_FIELD = "config.linux.security_context.capabilities"
_DEFAULT_KEY = "containers.default_capabilities"
_ALL = "CAP_ALL"


def named(names: Iterable[str]) -> frozenset[str]:
    """Return the canonical names of a node's default set; ValueError for an unknown one."""
    found = frozenset(map(_canonical, names))
    if unknown := sorted(found - set(KNOWN)):
        raise ValueError(f"no capability is called {unknown[0].removeprefix('CAP_')!r}")
    return found


def build(
    context: api_pb2.LinuxContainerSecurityContext,
    host: Host,
    default: frozenset[str] = DEFAULT,
    *,
    inheritable: bool = False,
    origins: Origins = OFF,
) -> dict[str, list[str]]:
    """Return process.capabilities; ambient ones only if they are requested.

    The bounding, effective and permitted sets are equal. The order is: add ALL, drop ALL, the named
    additions, the named drops. So "drop ALL, add X" and "add ALL, drop X" both have the expected
    result. `privileged` gives the whole bounding set and reads only the ambient list. Ambient
    capabilities are in the inheritable set, too; without them it is empty unless `inheritable` is
    true: any user who runs a program with inheritable file capabilities gains them.
    """
    requested = context.capabilities
    ambient = _ambient(requested.add_ambient_capabilities, host)
    bounding = (
        host.bounding if context.privileged else (_bounding(requested, host, default) | ambient)
    )
    ordered = in_kernel_order(bounding)
    sets = {"bounding": ordered, "effective": ordered, "permitted": ordered}
    if ambient:
        sets |= {"inheritable": in_kernel_order(ambient), "ambient": in_kernel_order(ambient)}
    if inheritable:
        sets["inheritable"] = ordered
    if origins:
        _record(origins, context, host, sets, ambient, inheritable=inheritable)
    return sets


def _record(
    origins: Origins,
    context: api_pb2.LinuxContainerSecurityContext,
    host: Host,
    sets: dict[str, list[str]],
    ambient: set[str],
    *,
    inheritable: bool,
) -> None:
    """Record the origin of each capability of `sets`, and that of an empty set."""
    requested, at = context.capabilities, ("process", "capabilities")
    added = dict(_names(requested.add_capabilities, "add_capabilities", host))
    dropped = [*requested.drop_capabilities]
    for kind, names in sets.items():
        whole = of.cri(f"{_FIELD}.drop_capabilities") if dropped else of.default(_DEFAULT_KEY)
        if context.privileged:
            whole = of.cri("config.linux.security_context.privileged")
        elif _ALL in added:
            whole = of.cri(added[_ALL])
        origins.put(whole, *at, kind)
        for name in names:
            origin = whole
            if not context.privileged and _ALL not in added:
                origin = of.default(_DEFAULT_KEY)
            if name in added and not context.privileged:
                origin = of.cri(added[name])
            elif name in ambient and (kind == "ambient" or name not in added):
                origin = of.cri(f"{_FIELD}.add_ambient_capabilities")
            if kind == "inheritable" and inheritable:
                origin = of.default("containers.add_inheritable_capabilities")
            origins.put(origin, *at, kind, name)


def _canonical(text: str) -> str:
    return "CAP_" + text.strip().upper().removeprefix("CAP_")


def in_kernel_order(names: Iterable[str]) -> list[str]:
    """Sort names by the kernel's numbers; names that are not in KNOWN come last."""
    order = {name: i for i, name in enumerate(KNOWN)}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))


def _bounding(requested: api_pb2.Capability, host: Host, default: frozenset[str]) -> set[str]:
    add = dict(_names(requested.add_capabilities, "add_capabilities", host))
    drop = dict(_names(requested.drop_capabilities, "drop_capabilities", host))
    result = set(host.bounding if _ALL in add else default & host.bounding)
    if _ALL in drop:
        result.clear()
    result |= _available(add, host)
    return result - drop.keys()


def _ambient(names: Iterable[str], host: Host) -> set[str]:
    wanted = dict(_names(names, "add_ambient_capabilities", host))
    return _available(wanted, host) | (set(host.bounding) if _ALL in wanted else set())


def _available(wanted: dict[str, str], host: Host) -> set[str]:
    """Return the names except ALL; InvalidArgument if the daemon does not have one of them."""
    for name, field in wanted.items():
        if name != _ALL and name not in host.bounding:
            problem = f"this host does not let its runtime give {name}: not in the bounding set"
            raise InvalidArgument(field, problem)
    return wanted.keys() - {_ALL}


def _names(given: Iterable[str], which: str, host: Host) -> Iterator[tuple[str, str]]:
    """Yield canonical names and their field paths; an unknown name is InvalidArgument."""
    for i, text in enumerate(given):
        name = _canonical(text)
        if name != _ALL and name not in KNOWN and name not in host.bounding:
            raise InvalidArgument(f"{_FIELD}.{which}[{i}]", f"no capability is called {text!r}")
        yield name, f"{_FIELD}.{which}[{i}]"
