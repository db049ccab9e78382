"""Idmapped mounts: the same files once more, with other owners.

What is owned by 0 on the disk is owned by the first id of a user namespace in such a mount, and the
other way round for what is written through it. The file system has to support it.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cri_shim.linux import mounts, syscalls


def bind(source: syscalls.StrPath, target: syscalls.StrPath, userns: syscalls.StrPath) -> None:
    """Mount `source` at `target` with the ids of the user namespace pinned to `userns`.

    Mounts below the source come along, with their own owners.
    """
    tree = _mapped(source, userns)
    try:
        syscalls.move_mount(tree, target)
    finally:
        os.close(tree)


def check(source: syscalls.StrPath, userns: syscalls.StrPath) -> None:
    """Raise the OSError that `bind` would; nothing is mounted anywhere."""
    os.close(_mapped(source, userns))


@contextmanager
def bound(
    sources: Sequence[Path], directory: Path, userns: syscalls.StrPath
) -> Iterator[list[Path]]:
    """Idmapped mounts of directories below `directory`, for the time of the block.

    An overlay that was made of them keeps them.
    """
    with ExitStack() as cleanup:
        targets = []
        for number, source in enumerate(sources):
            target = directory / str(number)
            target.mkdir(parents=True, exist_ok=True)
            bind(source, target, userns)
            cleanup.callback(mounts.unmount, target)
            targets.append(target)
        yield targets


def map_ids(tree: int, about: syscalls.StrPath, userns: syscalls.StrPath) -> None:
    """Give the detached mount `tree`, which is of `about`, the ids of a user namespace."""
    ids = os.open(userns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        idmap = syscalls.MOUNT_ATTR_IDMAP
        syscalls.mount_setattr(tree, about, attr_set=idmap, recursive=False, userns=ids)
    finally:
        os.close(ids)


def _mapped(source: syscalls.StrPath, userns: syscalls.StrPath) -> int:
    """A detached mount; the caller closes it."""
    flags = syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC | syscalls.AT_RECURSIVE
    tree = syscalls.open_tree(source, flags)
    try:
        map_ids(tree, source, userns)
    except BaseException:
        os.close(tree)
        raise
    return tree
