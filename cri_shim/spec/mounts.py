"""The mounts of a container: the runtime's defaults, the pod's files, and what the request adds.

A requested mount takes the place of a default one at the same path, and a requested /dev takes away
all defaults below it. Parents are mounted before what lies in them; among mounts of one depth, the
order of the request is kept, so that the later of two at one path is on top, as it was asked.
"""

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cri_shim.errors import ImageVolumeMountFailed, InvalidArgument, RROUnsupported
from cri_shim.pb import api_pb2

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
KERNELS = ("/proc", "/sys", "/dev")  # where the kernel's own file systems are, and devices
_DEVPTS_OPTIONS = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
_PROPAGATION = {
    api_pb2.PROPAGATION_PRIVATE: "rprivate",
    api_pb2.PROPAGATION_HOST_TO_CONTAINER: "rslave",
    api_pb2.PROPAGATION_BIDIRECTIONAL: "rshared",
}
# Options of what the runtime itself gives to containers: it is data, nothing in it is executed.
DATA = ("nosuid", "nodev", "noexec")
# What Mount.mount_options may say: what belongs to one mount and not to its file system, and has no
# field of its own. crun takes any other word without doing anything.
OPTIONS = frozenset(
    {
        *("noexec", "exec", "nosuid", "suid", "nodev", "dev"),
        *("noatime", "atime", "nodiratime", "diratime", "relatime", "norelatime"),
        *("strictatime", "nostrictatime"),
    }
)


@dataclass(frozen=True, slots=True)
class ResolvedMount:
    """A bind mount whose source was found on the host, symbolic links followed."""

    source: str
    destination: str
    readonly: bool = False
    propagation: str = "rprivate"  # or "rslave", "rshared"
    recursive_readonly: bool = False  # the OCI option rro; the handler must know it
    options: tuple[str, ...] = ()  # further OCI mount options
    idmapped: bool = False  # files have the ids of the pod's user namespace
    fstype: str = ""  # of its source, where that decides: of a mount over /dev


def resolve(
    index: int, mount: api_pb2.Mount, source: str, *, shared: bool, slave: bool, rro: bool
) -> ResolvedMount:
    """The request's mounts[index], its `source` resolved to lie on a shared or a slave mount.

    "BIDIRECTIONAL: the source must be on a shared mount; HOST_TO_CONTAINER: shared or slave", and
    recursive_read_only needs a handler that knows `rro`; otherwise InvalidArgument.
    """
    field = f"config.mounts[{index}]"
    if mount.recursive_read_only and not rro:
        problem = "the OCI runtime of this handler cannot mount so"
        raise RROUnsupported(f"{field}.recursive_read_only", problem)
    propagation = _PROPAGATION[mount.propagation]
    if mount.HasField("image"):
        propagation = "rprivate"  # nothing will ever be mounted in it
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
        idmapped=bool(mount.uidMappings) and not mount.HasField("image"),  # which has them already
    )


def check(field: str, mount: api_pb2.Mount) -> None:
    """What can be said of a mount without looking at the host: fields that exclude each other."""
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
    asked: Sequence[ResolvedMount],
    etc_files: Mapping[str, str],
    shm: str,
    *,
    privileged: bool,
    readonly_rootfs: bool,
    sys_readonly: str = "",
) -> list[dict[str, Any]]:
    """`mounts` of the document. etc_files: container path -> host path; shm "" = none.

    The pod's files are read-only exactly if the root file system is. `sys_readonly`: the node's
    /sys is bound with this option. sysfs shows a network, and can only be mounted by the root of
    the user namespace that the network belongs to.
    """
    defaults = _defaults(privileged, sys_readonly)
    if shm:
        defaults.append(_bind(ResolvedMount(shm, SHM, options=DATA)))
    for path, source in etc_files.items():
        file = ResolvedMount(source, path, readonly=readonly_rootfs, options=DATA)
        defaults.append(_bind(file))
    wanted = [_bind(mount) for mount in asked]
    taken = {mount["destination"] for mount in wanted}
    kept = [m for m in defaults if not _is_replaced(m["destination"], taken)]
    return sorted(kept + wanted, key=lambda m: m["destination"].count("/"))


def is_related(path: str, others: Iterable[str]) -> bool:
    """Whether the cleaned `path` is one of `others`, or above or below one."""
    return any(f"{path}/".startswith(f"{o}/") or f"{o}/".startswith(f"{path}/") for o in others)


def cleaned(path: str) -> str:
    """A path from the root without `.`, `..` and doubled slashes."""
    return posixpath.normpath("/" + path.lstrip("/"))


def is_covered(path: str, destinations: Iterable[str]) -> bool:
    """Whether one of the destinations is the cleaned `path`, or a directory above it."""
    return any(f"{path}/".startswith(f"{destination}/") for destination in destinations)


def rootfs_propagation(asked: Iterable[ResolvedMount]) -> str:
    """linux.rootfsPropagation: what the strongest of the mounts needs; "" for none."""
    wanted = {mount.propagation for mount in asked}
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
