"""Device nodes, by paths that may be on a server that does not answer; see sources.py."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cri_shim.linux import syscalls

MOST = 4096  # entries of a directory that a request names as a device; a large /dev has 1000
_KINDS = {stat.S_IFCHR: "c", stat.S_IFBLK: "b", stat.S_IFIFO: "p"}

Node = tuple[str, str, int, int, int, int, int]  # path, kind, major, minor, mode, uid, gid


def find(path: str, cached: bool = False) -> dict[str, Node]:
    """Return the node at `path` as {"": node}, symbolic links followed; {} if it is no device.

    For a directory: every node below it, by its path in the directory. With `cached`,
    BlockingIOError if a server would be asked. OSError; E2BIG for more than MOST entries.
    """
    resolve = syscalls.RESOLVE_NO_MAGICLINKS | (syscalls.RESOLVE_CACHED if cached else 0)
    fd = syscalls.openat2(syscalls.AT_FDCWD, path, os.O_PATH | os.O_CLOEXEC, resolve)
    try:
        real = str(Path(f"/proc/self/fd/{fd}").readlink())
        facts = syscalls.statx_of(fd, path)
    finally:
        os.close(fd)
    if stat.S_ISDIR(facts.mode):
        if cached:
            raise BlockingIOError(errno.EAGAIN, "its entries are not known here", path)
        return _below(real, MOST)
    node = _node(real, facts.mode, (facts.major, facts.minor), (facts.uid, facts.gid))
    return {} if node is None else {"": node}


def of_host() -> dict[str, Node]:
    """Return every node below /dev, but not in mounts there: every user can write to /dev/shm."""
    return _below("/dev", None)


def _below(directory: str, most: int | None) -> dict[str, Node]:
    """Return every node below a directory, of at most `most` entries; None: on one file system."""
    nodes = {}
    for path in _files(directory, most):
        facts = os.lstat(path)
        numbers = os.major(facts.st_rdev), os.minor(facts.st_rdev)
        node = _node(path, facts.st_mode, numbers, (facts.st_uid, facts.st_gid))
        if node is not None:
            nodes[path[len(directory) + 1 :]] = node
    return nodes


def _files(directory: str, most: int | None) -> Iterator[str]:
    entries, device = 0, os.lstat(directory).st_dev
    for where, directories, names in os.walk(directory):
        entries += len(directories) + len(names)
        if most is not None and entries > most:
            raise OSError(errno.E2BIG, f"has more than {most} files", directory)
        if most is None:
            here = [name for name in directories if os.lstat(f"{where}/{name}").st_dev == device]
            directories[:] = here
        for name in sorted(names):
            yield f"{where}/{name}"


def _node(path: str, mode: int, numbers: tuple[int, int], owner: tuple[int, int]) -> Node | None:
    kind = _KINDS.get(stat.S_IFMT(mode))
    return None if kind is None else (path, kind, *numbers, stat.S_IMODE(mode), *owner)
