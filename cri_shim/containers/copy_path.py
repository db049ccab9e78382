"""Paths of a container for copies: only its own root file system, not what is mounted in it.

A copy needs no program in the container, and none of its processes. So it works for every image and
for an exited container. It does not see volumes; a path in one is refused, with the source.
"""

from pathlib import PurePosixPath

from cri_shim.containers import rootfs
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.linux.rootfs import find_in_root
from cri_shim.oci import bundle
from cri_shim.pb import state_pb2 as state


async def mounted(engine: Engine, id: str) -> state.ContainerRecord:
    """Mount the root file system if it is not mounted; return the container.

    WrongState if a reboot or a removal took the file system.
    """
    async with engine.objects.lock(id):
        container = engine.objects.container(id)
        if container.phase in (state.CONTAINER_CREATING, state.CONTAINER_REMOVING):
            raise WrongState(f"container {id} is being made or removed")
        if not engine.paths.bundle(id).is_dir():
            raise WrongState(f"container {id}: what it wrote was lost when the node was restarted")
        await rootfs.mount(engine, engine.objects.pod(container.pod_id), container)
        return container


def refuse_mounts(engine: Engine, id: str, path: str) -> None:
    """Raise InvalidArgument if `path` is in a mount of the container. Blocks."""
    try:
        real = PurePosixPath(find_in_root(engine.paths.rootfs(id), path))
        mounts = bundle.spec(engine.paths.bundle(id)).get("mounts") or []
    except OSError as e:
        raise InvalidArgument("path", f"{path} of container {id}: {e.strerror}") from e
    for mount in mounts:
        at = PurePosixPath(find_in_root(engine.paths.rootfs(id), str(mount["destination"])))
        if real == at or at in real.parents:
            source = mount.get("source") or mount.get("type")
            raise InvalidArgument(
                "path",
                f"{path} of container {id} is in the mount {mount['destination']} of {source}:"
                " only the container's own root file system is copied; copy at the source, or by"
                " a command in the container",
            )
