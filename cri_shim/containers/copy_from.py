"""Copies a file or a directory out of a container's root file system, as a tar."""

from typing import BinaryIO

from cri_shim.aio import outside
from cri_shim.containers import copy_path
from cri_shim.containers.pack_to import pack_to
from cri_shim.engine import Engine


async def copy(engine: Engine, container_id: str, path: str, to: BinaryIO) -> None:
    """Write a tar whose only top entry is the last name of `path`, with all that is below it.

    Symbolic links on the way are followed inside the container; a link at the end is, too. The
    entries of "/" are top entries themselves. InvalidArgument for a path in a mount; ToolFailed if
    it is not there or cannot be read.
    """
    id = engine.objects.container(container_id).id
    container = await copy_path.mounted(engine, id)
    await outside.look(f"{path} of container {id}", copy_path.refuse_mounts, engine, id, path)
    attempt = f"cannot copy {path} from container {id}"
    await pack_to(engine, container, attempt, ["part", path], to)
