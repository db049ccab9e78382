"""Deletes trees that are not used any more, with all files of containers and images in them.

A thread deletes a small tree. A child process deletes the rest of a large one: a million unlinks
would block one of the few threads of the daemon.
"""

from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.errors import CriShimError, ToolFailed
from cri_shim.linux.remove import remove_tree
from cri_shim.store import python_child

MOST_IN_A_THREAD = 1_000  # entries: some 20 ms


async def delete(*paths: Path) -> None:
    """Delete files and whole trees; missing paths are ignored, mounts below them stay.

    ToolFailed names the first path that cannot be deleted; the other paths are deleted all the
    same.
    """
    failed: CriShimError | None = None
    for path in paths:
        try:
            if not await offload(remove_tree, path, MOST_IN_A_THREAD):
                await _in_a_child(path)
        except OSError as e:
            failed = failed or ToolFailed(f"cannot delete {path}: {e}")
        except CriShimError as e:
            failed = failed or e
    if failed is not None:
        raise failed


async def _in_a_child(path: Path) -> None:
    await python_child.call(
        "cri_shim.linux.remove", str(path), attempt=f"cannot delete {path}", directory=path.parent
    )
