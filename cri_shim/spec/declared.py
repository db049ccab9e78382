"""VOLUMEs: directories that an image declares to be written to.

Such a directory is part of the container's own writable layer, with what the image has there; it is
made when the image has none, and then belongs to the container's user (CRI-O's default does the
same). In a container whose root is read-only it stays writable, as with containerd: it is bound
over itself, from a place that was opened before anything of a tenant is mounted (see sources.py).

A path is where it really leads in the image. There is no VOLUME where something else is mounted:
at or below a mount of the request; at, above or below what every container has (/proc, /sys, /dev,
the pod's files, default mounts). That is no error: images of init systems declare /sys/fs/cgroup.
"""

from collections.abc import Collection, Mapping, Sequence

from cri_shim.errors import InvalidArgument
from cri_shim.spec.mounts import KERNELS, ResolvedMount, is_covered, is_related
from cri_shim.spec.userns import IdMap
from cri_shim.spec.users import User

MOST = 256  # VOLUMEs of an image; each may be a mount, and every container has all of them


def check(declared: Sequence[str]) -> None:
    """InvalidArgument for an image with too many VOLUMEs."""
    if len(declared) > MOST:
        problem = f"it declares {len(declared)} VOLUMEs; a container has {MOST} at most"
        raise InvalidArgument("config.image", problem)


def unusable(path: str, error: OSError) -> InvalidArgument:
    """The error about an image whose VOLUME `path` cannot be had."""
    problem = f"its VOLUME {path[:200]!r} cannot be a directory: {error.strerror}"
    return InvalidArgument("config.image", problem)


def wanted(
    volumes: Mapping[str, str], asked: Collection[str], defaults: Collection[str]
) -> dict[str, str]:
    """Those of the VOLUMEs (path -> where it leads) that the container gets.

    `asked` and `defaults`: where the request mounts something, and where every container has it,
    as paths without symbolic links.
    """
    taken = {*KERNELS, *defaults}
    return {
        path: lead
        for path, lead in volumes.items()
        if lead != "/" and not is_covered(lead, asked) and not is_related(lead, taken)
    }


def writable(volumes: Mapping[str, str], rootfs: str) -> list[ResolvedMount]:
    """The mounts by which the VOLUMEs can be written to although `rootfs` is read-only."""
    return [ResolvedMount(f"{rootfs}{lead}", lead) for lead in dict.fromkeys(volumes.values())]


def owner(ids: IdMap | None, user: User) -> tuple[int, int]:
    """What the node knows user and group of a container as; one that cannot be in it, as its root.

    Other ids than those of its user namespace may be another pod's.
    """
    if ids is None:
        return user.uid, user.gid
    uid, gid = ids.users.on_node(user.uid), ids.groups.on_node(user.gid)
    return ids.root[0] if uid is None else uid, ids.root[1] if gid is None else gid
