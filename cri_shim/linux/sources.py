"""Sources of bind mounts: found once, and mounted by a descriptor at a place of our own.

Others may write to the directories that such a path goes through, and turn a name in it elsewhere
at any time. So a source is opened without following symbolic links, and what was opened is mounted
where nobody but us can write: who binds it from there, by that path, gets just this.
"""

import os
import stat
from pathlib import Path

from cri_shim.linux import idmap, mounts, syscalls

_PROPAGATION = {"private": syscalls.MS_PRIVATE, "slave": syscalls.MS_SLAVE, "shared": 0}


def find(path: str) -> str:
    """The path of what is at `path` now, symbolic links followed. Raises OSError."""
    fd = _opened(path, 0)
    try:
        return str(Path(f"/proc/self/fd/{fd}").readlink())
    finally:
        os.close(fd)


def attach(source: str, place: Path, *, propagation: str, userns: Path | None = None) -> None:
    """Mount what is at the path `source`, with all mounts below it, at `place`, which is made.

    No component of `source` may be a symbolic link. `propagation`: "private", "slave" of the
    source, or "shared" with it. With `userns`, files have the ids of that user namespace.
    """
    fd = _opened(source, syscalls.RESOLVE_NO_SYMLINKS)
    try:
        flags = syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC | syscalls.AT_RECURSIVE
        tree = syscalls.open_tree_of(fd, source, flags)
        directory = stat.S_ISDIR(syscalls.statx_mode(fd, source))
    finally:
        os.close(fd)
    try:
        if kind := _PROPAGATION[propagation]:
            syscalls.mount_setattr(tree, source, recursive=True, propagation=kind)
        if userns is not None:
            idmap.map_ids(tree, source, userns)
        place.mkdir(mode=0o711) if directory else place.touch(mode=0o600)
        syscalls.move_mount(tree, place)
    finally:
        os.close(tree)


def detach(place: Path) -> None:
    """End what `attach` mounted, and take away the place. Nothing there is fine.

    The mounts below it may be shared with those of the node: unmounting would reach them as well.
    """
    if mounts.is_mounted(place):
        syscalls.mount(None, place, None, syscalls.MS_PRIVATE | syscalls.MS_REC)
    mounts.unmount(place)
    try:
        place.rmdir()
    except NotADirectoryError:
        place.unlink()
    except FileNotFoundError:
        return


def _opened(path: str, resolve: int) -> int:
    flags = os.O_PATH | os.O_CLOEXEC
    return syscalls.openat2(
        syscalls.AT_FDCWD, path, flags, resolve | syscalls.RESOLVE_NO_MAGICLINKS
    )
