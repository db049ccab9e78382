"""VOLUMEs: directories that an image declares to be written to.

Such a directory is part of the container's own writable layer, with what the image has there; it is
made when the image has none, and then belongs to the container's user (CRI-O's default does the
same). In a container whose root is read-only it stays writable, as with containerd: it is bound
over itself, from a place that was opened before anything of a tenant is mounted (see sources.py).

A path is where it really leads in the image. There is no VOLUME where something else is mounted:
at or below a mount of the request; at, above or below what every container has (/proc, /sys, /dev,
the pod's files, default mounts). That is no error: images of init systems declare /sys/fs/cgroup.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument
from cri_shim.linux.rootfs import find_in_root, make_directory_in_root
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import userns
from cri_shim.spec.mounts import KERNELS, ResolvedMount, is_covered, is_related
from cri_shim.spec.userns import IdMap
from cri_shim.spec.users import User

MOST = 256  # VOLUMEs of an image; each may be a mount, and every container has all of them


async def prepare(
    engine: Engine,
    container: state.ContainerRecord,
    declared: Sequence[str],
    user: User,
    *,
    asked: Collection[str],
    defaults: Collection[str],
) -> list[ResolvedMount]:
    """Have the directories, and return what is to be mounted; InvalidArgument names a VOLUME.

    `asked` and `defaults`: where the request mounts something, and where every container has it,
    as paths without symbolic links.
    """
    if not declared:
        return []
    if len(declared) > MOST:
        problem = f"it declares {len(declared)} VOLUMEs; a container has {MOST} at most"
        raise InvalidArgument("config.image", problem)
    rootfs = engine.paths.rootfs(container.id)
    owner = _on_node(userns.of_pod(engine.objects.pod(container.pod_id).config), user)
    found = await offload(_made, rootfs, declared, owner, asked, {*KERNELS, *defaults})
    if not container.config.linux.security_context.readonly_rootfs:
        return []
    return [ResolvedMount(f"{rootfs}{path}", path) for path in found]


def _on_node(ids: IdMap | None, user: User) -> tuple[int, int]:
    """What the node knows user and group of a container as; one that cannot be in it, as its root.

    Other ids than those of its user namespace may be another pod's.
    """
    if ids is None:
        return user.uid, user.gid
    uid, gid = ids.users.on_node(user.uid), ids.groups.on_node(user.gid)
    return ids.root[0] if uid is None else uid, ids.root[1] if gid is None else gid


def _made(
    rootfs: Path,
    declared: Sequence[str],
    owner: tuple[int, int],
    asked: Collection[str],
    defaults: Collection[str],
) -> list[str]:
    """The directories inside the root file system, each once."""
    found = []
    for path in declared:
        try:
            leads_to = find_in_root(rootfs, path)
            if leads_to == "/" or is_covered(leads_to, asked) or is_related(leads_to, defaults):
                continue
            found.append(make_directory_in_root(rootfs, path, owner))
        except OSError as e:
            problem = f"its VOLUME {path[:200]!r} cannot be a directory: {e.strerror}"
            raise InvalidArgument("config.image", problem) from e
    return list(dict.fromkeys(found))
