"""The mounts of a container: the runtime's defaults, the pod's files, and those of the request.

A mount of the request replaces a default mount at the same path; a requested /dev also removes all
defaults below it. Parents are mounted before their children. Mounts of the same depth keep the
order of the request, so the later of two mounts at one path is on top, as the request asked.
"""

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cri_shim.errors import ImageVolumeMountFailed, InvalidArgument, RROUnsupported
from cri_shim.pb import api_pb2
from cri_shim.spec.origins import BUILT_IN, OFF, Origins
from cri_shim.spec.pod_files import ORIGINS

PROC = {
    "destination": "/proc",
    "type": "proc",
    "source": "proc",
    "options": ["nosuid", "noexec", "nodev"],
}
DEV = {
    "destination": "/dev",
    "type": "tmpfs",
    "source": "tmpfs",
    "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
}
SHM = "/dev/shm"
KERNELS = ("/proc", "/sys", "/dev")  # mount points of the kernel's own file systems, and of devices
_DEVPTS_OPTIONS = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
_PROPAGATION = {
    api_pb2.PROPAGATION_PRIVATE: "rprivate",
    api_pb2.PROPAGATION_HOST_TO_CONTAINER: "rslave",
    api_pb2.PROPAGATION_BIDIRECTIONAL: "rshared",
}
# Options of the mounts that the runtime itself adds: they have data, and no programs.
DATA = ("nosuid", "nodev", "noexec")
# The words allowed in Mount.mount_options: options of one mount (not of its file system) without a
# CRI field of their own. crun ignores any other word silently.
OPTIONS = frozenset(
    {
        *("noexec", "exec", "nosuid", "suid", "nodev", "dev"),
        *("noatime", "atime", "nodiratime", "diratime", "relatime", "norelatime"),
        *("strictatime", "nostrictatime"),
    }
)


@dataclass(frozen=True, slots=True)
class ResolvedMount:
    """A bind mount whose source was found on the host, with symbolic links resolved."""

    source: str
    destination: str
    readonly: bool = False
    propagation: str = "rprivate"  # or "rslave", "rshared"
    recursive_readonly: bool = False  # the OCI option rro; the handler must support it
    options: tuple[str, ...] = ()  # further OCI mount options
    idmapped: bool = False  # its files have ids of the pod's user namespace
    fstype: str = ""  # of its source; filled in only for a mount over /dev
    origin: str = field(default=BUILT_IN, compare=False)  # see origins


def resolve(
    index: int, mount: api_pb2.Mount, source: str, *, shared: bool, slave: bool, rro: bool
) -> ResolvedMount:
    """Resolve the request's mounts[index]; `source` is its path on the host.

    `shared` and `slave` describe the mount that the source is on. "BIDIRECTIONAL: the source must
    be on a shared mount; HOST_TO_CONTAINER: shared or slave". recursive_read_only needs `rro`: the
    handler supports it. Otherwise the error is an InvalidArgument.
    """
    field = f"config.mounts[{index}]"
    if mount.recursive_read_only and not rro:
        problem = "the OCI runtime of this handler cannot mount so"
        raise RROUnsupported(f"{field}.recursive_read_only", problem)
    propagation = _PROPAGATION[mount.propagation]
    if mount.HasField("image"):
        propagation = "rprivate"  # an image volume never gets mounts
    if propagation == "rshared" and not shared:
        problem = f"{source} is not on a shared mount; make it one: mount --make-rshared"
        raise InvalidArgument(f"{field}.propagation", problem)
    if propagation == "rslave" and not (shared or slave):
        problem = f"{source} is neither on a shared nor on a slave mount: mount --make-rshared"
        raise InvalidArgument(f"{field}.propagation", problem)
    return ResolvedMount(
        source=source,
        destination=cleaned(mount.container_path),
        readonly=mount.readonly,
        propagation=propagation,
        recursive_readonly=mount.recursive_read_only,
        options=tuple(mount.mount_options),
        idmapped=bool(mount.uidMappings) and not mount.HasField("image"),  # images are mapped
        origin=f"CRI {field}",
    )


def check(field: str, mount: api_pb2.Mount) -> None:
    """Check the fields of a mount that exclude each other; the host is not looked at."""
    if mount.HasField("image"):
        if mount.host_path:
            raise ImageVolumeMountFailed(f"{field}.host_path", "a host path or an image, not both")
        if not mount.readonly:
            raise ImageVolumeMountFailed(f"{field}.readonly", "an image volume can only be read")
        if mount.propagation == api_pb2.PROPAGATION_BIDIRECTIONAL:
            problem = "nothing can be mounted in an image volume"
            raise ImageVolumeMountFailed(f"{field}.propagation", problem)
    elif mount.image_sub_path:
        raise ImageVolumeMountFailed(f"{field}.image_sub_path", "is for image volumes")
    if mount.recursive_read_only:
        here = f"{field}.recursive_read_only"
        if not mount.readonly:
            raise RROUnsupported(here, "needs readonly")
        if mount.propagation != api_pb2.PROPAGATION_PRIVATE:
            raise RROUnsupported(here, "needs propagation PROPAGATION_PRIVATE")
    for index, option in enumerate(mount.mount_options):
        if option not in OPTIONS:
            known = ", ".join(sorted(OPTIONS))
            raise InvalidArgument(
                f"{field}.mount_options[{index}]", f"{option!r} is none of {known}"
            )


def build(
    requested: Sequence[ResolvedMount],
    etc_files: Mapping[str, str],
    shm: str,
    *,
    privileged: bool,
    readonly_rootfs: bool,
    sys_readonly: str = "",
    origins: Origins = OFF,
) -> list[dict[str, Any]]:
    """Return `mounts` of the document. etc_files: container path -> host path; shm "" = none.

    The pod's files are read-only if and only if the root file system is. If `sys_readonly` is
    given, the node's /sys is bound with this option. The reason: sysfs shows a network namespace,
    and only the root of the user namespace that owns this network can mount it.
    """
    defaults = _defaults(privileged, sys_readonly)
    if shm:
        defaults.append(_bind(ResolvedMount(shm, SHM, options=DATA)))
    for path, source in etc_files.items():
        file = ResolvedMount(source, path, readonly=readonly_rootfs, options=DATA)
        defaults.append(_bind(file))
    wanted = [_bind(mount) for mount in requested]
    taken = {mount["destination"] for mount in wanted}
    kept = [m for m in defaults if not _is_replaced(m["destination"], taken)]
    if origins:
        for default in kept:
            path = default["destination"]
            origins.put(ORIGINS.get(path, BUILT_IN), "mounts", path)
        for mount in requested:
            origins.put(mount.origin, "mounts", mount.destination)
    return sorted(kept + wanted, key=lambda m: m["destination"].count("/"))


def is_related(path: str, others: Iterable[str]) -> bool:
    """Return whether the cleaned `path` is one of `others`, or above or below one."""
    return any(f"{path}/".startswith(f"{o}/") or f"{o}/".startswith(f"{path}/") for o in others)


def cleaned(path: str) -> str:
    """Return an absolute path without `.`, `..` and doubled slashes."""
    return posixpath.normpath("/" + path.lstrip("/"))


def is_covered(path: str, destinations: Iterable[str]) -> bool:
    """Return whether a destination is the cleaned `path`, or a directory above it."""
    return any(f"{path}/".startswith(f"{destination}/") for destination in destinations)


def rootfs_propagation(requested: Iterable[ResolvedMount]) -> str:
    """Return linux.rootfsPropagation: the strongest propagation of the mounts; "" for none."""
    wanted = {mount.propagation for mount in requested}
    return next((value for value in ("rshared", "rslave") if value in wanted), "")


def _defaults(privileged: bool, sys_readonly: str) -> list[dict[str, Any]]:
    access = "rw" if privileged else "ro"
    safe = ["nosuid", "noexec", "nodev"]
    cgroup = [*safe, "relatime", access]
    sys = _mount("/sys", "sysfs", [*safe, access])
    if sys_readonly:
        options = ["rbind", "rprivate", *safe, sys_readonly]
        sys |= {"type": "bind", "source": "/sys", "options": options}
    return [
        dict(PROC),
        dict(DEV),
        _mount("/dev/pts", "devpts", _DEVPTS_OPTIONS),
        _mount("/dev/mqueue", "mqueue", safe),
        sys,
        _mount("/sys/fs/cgroup", "cgroup", cgroup),
    ]


def _mount(destination: str, kind: str, options: list[str]) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}


def _bind(mount: ResolvedMount) -> dict[str, Any]:
    access = "rw"
    if mount.readonly:
        access = "rro" if mount.recursive_readonly else "ro"
    return {
        "destination": mount.destination,
        "type": "bind",
        "source": mount.source,
        "options": ["rbind", mount.propagation, access, *mount.options],
    }


def _is_replaced(destination: str, taken: set[str]) -> bool:
    return destination in taken or ("/dev" in taken and destination.startswith("/dev/"))
