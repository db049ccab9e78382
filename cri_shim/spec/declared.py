"""VOLUMEs: directories of an image that its containers write to.

A VOLUME is part of the container's own writable layer and has the image's content. If the image
does not have the directory, it is made and belongs to the container's user (CRI-O does the same by
default). If the root file system is read-only, a VOLUME stays writable, as with containerd: it is
bound over itself. The source of this mount is opened before any mount of a tenant (see sources.py).

Paths are resolved in the image. A VOLUME is skipped if another mount is there: at or above it for
mounts of the request; at, above or below it for mounts of every container (/proc, /sys, /dev, the
pod's files, default mounts). That is no error: images of init systems declare /sys/fs/cgroup.
"""

from collections.abc import Collection, Mapping, Sequence

from cri_shim.errors import InvalidArgument
from cri_shim.spec.mounts import KERNELS, ResolvedMount, is_covered, is_related
from cri_shim.spec.origins import image
from cri_shim.spec.userns import IdMap
from cri_shim.spec.users import User

MOST = 256  # VOLUMEs of an image; each may be a mount, and every container has all of them


def check(declared: Sequence[str]) -> None:
    """Raise InvalidArgument for an image with too many VOLUMEs."""
    if len(declared) > MOST:
        problem = f"it declares {len(declared)} VOLUMEs; a container has {MOST} at most"
        raise InvalidArgument("config.image", problem)


def unusable(path: str, error: OSError) -> InvalidArgument:
    """Return the error for an image whose VOLUME `path` cannot be made or opened."""
    problem = f"its VOLUME {path[:200]!r} cannot be a directory: {error.strerror}"
    return InvalidArgument("config.image", problem)


def kept(
    volumes: Mapping[str, str], requested: Collection[str], defaults: Collection[str]
) -> dict[str, str]:
    """Return the VOLUMEs (path -> real path) that the container gets.

    `requested`: the mount points of the request. `defaults`: the mount points of every container.
    Both are paths without symbolic links.
    """
    taken = {*KERNELS, *defaults}
    return {
        path: real
        for path, real in volumes.items()
        if real != "/" and not is_covered(real, requested) and not is_related(real, taken)
    }


def writable(volumes: Mapping[str, str], rootfs: str) -> list[ResolvedMount]:
    """Return the mounts that keep the VOLUMEs writable in a read-only `rootfs`."""
    return [
        ResolvedMount(f"{rootfs}{real}", real, origin=image("Volumes"))
        for real in dict.fromkeys(volumes.values())
    ]


def owner(ids: IdMap | None, user: User) -> tuple[int, int]:
    """Return the container's user and group as ids of the node.

    An id that the user namespace does not map is replaced by the namespace's root: other ids of the
    node may belong to another pod.
    """
    if ids is None:
        return user.uid, user.gid
    uid, gid = ids.users.on_node(user.uid), ids.groups.on_node(user.gid)
    return ids.root[0] if uid is None else uid, ids.root[1] if gid is None else gid
