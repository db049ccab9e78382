"""Extracts a tar into a directory of a container's root file system."""

import os
from pathlib import Path

from cri_shim.aio import outside
from cri_shim.containers import copy_path
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument
from cri_shim.spec import userns
from cri_shim.store import python_child


async def copy(engine: Engine, container_id: str, path: str, source: str) -> None:
    """Extract the tar at `source`, a file or a FIFO of the node, into the directory `path`.

    Its files belong to root of the container. Symbolic links are followed inside the container
    only; an entry replaces what has its name, except a directory. InvalidArgument for a path in a
    mount; ToolFailed if the directory is not there or an entry cannot be made.
    """
    id = engine.objects.container(container_id).id
    container = await copy_path.mounted(engine, id)
    await outside.look(f"{path} of container {id}", copy_path.refuse_mounts, engine, id, path)
    root = engine.paths.rootfs(id)
    owner = userns.root_of(engine.objects.pod(container.pod_id).config)
    try:
        feed = await outside.look(source, _open, source, discard=os.close)
    except OSError as e:
        raise InvalidArgument("source", f"{source}: {e.strerror}") from e
    try:
        await python_child.call(
            "cri_shim.store.unpack.into", str(root), path, *map(str, owner),
            attempt=f"cannot copy to {path} of container {id}", directory=Path(root), feed=feed,
        )  # fmt: skip
    finally:
        os.close(feed)


def _open(source: str) -> int:
    """Open the tar; the caller has opened a FIFO for writing, so that this does not wait."""
    found = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(found, True)
    return found
