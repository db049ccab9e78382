"""Idmapped mounts: the same files a second time, with other owners.

In such a mount, files of owner 0 on the disk have the first id of a user namespace as their owner;
for files that are written through it, the reverse applies. The file system has to support this.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cri_shim.linux import mounts, syscalls


def bind(source: syscalls.StrPath, target: syscalls.StrPath, userns: syscalls.StrPath) -> None:
    """Mount `source` at `target` with the ids of the user namespace pinned to `userns`.

    Mounts below the source are mounted, too, with their own owners.
    """
    tree = _mapped(source, userns)
    try:
        syscalls.move_mount(tree, target)
    finally:
        os.close(tree)


def check(source: syscalls.StrPath, userns: syscalls.StrPath) -> None:
    """Raise the OSError that `bind` would raise, without a mount."""
    os.close(_mapped(source, userns))


@contextmanager
def bound(
    sources: Sequence[Path], directory: Path, userns: syscalls.StrPath
) -> Iterator[list[Path]]:
    """Make idmapped mounts of directories below `directory`, until the end of the block.

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
    """Give the detached mount `tree`, a mount of `about`, the ids of a user namespace."""
    ids = os.open(userns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        idmap = syscalls.MOUNT_ATTR_IDMAP
        syscalls.mount_setattr(tree, about, attr_set=idmap, recursive=False, userns=ids)
    finally:
        os.close(ids)


def _mapped(source: syscalls.StrPath, userns: syscalls.StrPath) -> int:
    """Return a detached mount; the caller closes it."""
    flags = syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC | syscalls.AT_RECURSIVE
    tree = syscalls.open_tree(source, flags)
    try:
        map_ids(tree, source, userns)
    except BaseException:
        os.close(tree)
        raise
    return tree
