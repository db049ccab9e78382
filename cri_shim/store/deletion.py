"""Deleting trees that nobody looks for any more, whatever containers and images have put into them.

A small one goes in a thread. What is left of a large one goes in a child process: a million unlinks
would keep one of the few threads busy that all of the daemon has.
"""

from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.errors import CriShimError, ToolFailed
from cri_shim.linux.remove import remove_tree
from cri_shim.store import python_child

MOST_IN_A_THREAD = 1_000  # entries: some 20 ms


async def delete(*paths: Path) -> None:
    """Delete files and whole trees; what is not there is fine, what is mounted in them stays.

    ToolFailed names what could not be deleted; the others are gone then.
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
