"""Sources of bind mounts: found once, and mounted by a descriptor at a private place.

Others may write to the directories in such a path, and replace a name in it at any time. So a
source is opened without following symbolic links, and the opened object is mounted where only the
daemon can write. The OCI runtime binds it from there.

A source may be on a server that does not answer. With `cached`, no server is asked: BlockingIOError
if the kernel would have to ask one. Without `cached`, the call may never return.
"""

import errno
import os
import posixpath
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cri_shim.linux import idmap, mounts, syscalls
from cri_shim.linux.privacy import make_private

_PROPAGATION = {"private": syscalls.MS_PRIVATE, "slave": syscalls.MS_SLAVE, "shared": 0}
_CLONE = syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC | syscalls.AT_RECURSIVE


def find(path: str, userns: str = "", cached: bool = False) -> tuple[str, int, str]:
    """Return the path of the object at `path`, symbolic links followed, and the id of its mount.

    The third value is why it cannot be mounted with the ids of the user namespace at `userns`, ""
    if it can. Raises OSError.
    """
    fd = _opened(path, syscalls.RESOLVE_CACHED if cached else 0)
    try:
        found = str(Path(f"/proc/self/fd/{fd}").readlink())
        problem = _problem_of_ids(fd, path, userns) if userns else ""
        return found, syscalls.statx_of(fd, path).mount_id, problem
    finally:
        os.close(fd)


def _problem_of_ids(fd: int, about: str, userns: str) -> str:
    tree = syscalls.open_tree_of(fd, about, _CLONE)
    try:
        idmap.map_ids(tree, about, userns)
    except OSError as e:
        return str(e.strerror)
    finally:
        os.close(tree)
    return ""


def check(source: str, nested: Sequence[str], cached: bool = False) -> None:
    """Raise the OSError that `attach` would raise for the `nested` paths of the source."""
    fd = _opened(source, syscalls.RESOLVE_NO_SYMLINKS | (syscalls.RESOLVE_CACHED if cached else 0))
    try:
        _check_below(fd, source, nested, cached)
    finally:
        os.close(fd)


def attach(
    source: str,
    place: str,
    propagation: str,
    userns: str = "",
    nested: Sequence[str] = (),
    cached: bool = False,
) -> None:
    """Mount the object at the path `source`, with all mounts below it, at `place`, which is made.

    No component of `source` may be a symbolic link. `propagation`: "private", "slave" of the
    source, or "shared" with it. With `userns`, files have the ids of that user namespace. EXDEV if
    a symbolic link leads one of the `nested` paths, which are below the source, out of it.
    """
    fd = _opened(source, syscalls.RESOLVE_NO_SYMLINKS | (syscalls.RESOLVE_CACHED if cached else 0))
    try:
        _check_below(fd, source, nested, cached)
        tree = syscalls.open_tree_of(fd, source, _CLONE)
        directory = stat.S_ISDIR(syscalls.statx_of(fd, source).mode)
    finally:
        os.close(fd)
    try:
        if kind := _PROPAGATION[propagation]:
            syscalls.mount_setattr(tree, source, recursive=True, propagation=kind)
        if userns:
            idmap.map_ids(tree, source, userns)
        Path(place).mkdir(mode=0o700) if directory else Path(place).touch(mode=0o600)
        syscalls.move_mount(tree, place)
    finally:
        os.close(tree)


def _check_below(fd: int, source: str, nested: Sequence[str], cached: bool) -> None:
    resolve = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_MAGICLINKS
    resolve |= syscalls.RESOLVE_CACHED if cached else 0
    for path in nested:
        existing = path
        while existing:
            try:
                os.close(syscalls.openat2(fd, existing, os.O_PATH | os.O_CLOEXEC, resolve))
                break
            except FileNotFoundError:  # it will be made
                existing = posixpath.dirname(existing)
            except NotADirectoryError:  # it cannot exist: the OCI runtime will report this
                break
            except OSError as e:
                if e.errno not in (errno.EXDEV, errno.ELOOP):
                    raise
                problem = f"a symbolic link in it leads {path!r} out of it"
                raise OSError(errno.EXDEV, problem, source) from None


def answers(path: str) -> None:
    """Return when the file system of `path` has answered; a missing path is an answer, too."""
    with suppress(OSError):
        Path(path).stat()


def on_disk(path: str, cached: bool = False) -> bool:
    """Whether the nearest object to `path` is on a block device of this machine. OSError."""
    while True:
        try:
            fd = _opened(path, syscalls.RESOLVE_CACHED if cached else 0)
        except (FileNotFoundError, NotADirectoryError):
            path = posixpath.dirname(path)
            continue
        except BlockingIOError:
            if not _is_absent(path):
                raise
            path = posixpath.dirname(path)
            continue
        try:
            return syscalls.statx_of(fd, path).device_major != 0
        finally:
            os.close(fd)


def _is_absent(path: str) -> bool:
    """Whether a disk of this machine has no object of this name; False if a server might have it.

    The kernel remembers names that exist, and often none that are absent. So the name is looked up
    in its directory, if that is on a disk: neither a mount nor a symbolic link is followed.
    """
    above, name = posixpath.split(path)
    if not name:
        return False
    try:
        directory = _opened(above, syscalls.RESOLVE_CACHED)
    except BlockingIOError:
        return _is_absent(above)
    except OSError:
        return False
    try:
        if syscalls.statx_of(directory, above).device_major == 0:
            return False
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(syscalls.openat2(directory, name, flags, syscalls.RESOLVE_NO_XDEV))
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    finally:
        os.close(directory)
    return False


def prepare(directory: Path) -> None:
    """Make a directory for places: a mount of itself, so that mounts in it stay in it.

    Raises OSError.
    """
    make_private(directory)
    tree = syscalls.open_tree(directory, syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC)
    try:
        syscalls.mount_setattr(tree, directory, recursive=False, propagation=syscalls.MS_PRIVATE)
        syscalls.move_mount(tree, directory)
    finally:
        os.close(tree)


def release(directory: Path) -> None:
    """End the mounts of `prepare` and `attach`, and remove the places. Idempotent.

    All at once, because each unmount waits for the kernel. The mounts there may be shared with the
    node's own mounts: without MS_PRIVATE, the node's mounts below them would be unmounted, too.
    """
    if mounts.is_mounted(directory):
        syscalls.mount(None, directory, None, syscalls.MS_PRIVATE | syscalls.MS_REC)
        mounts.unmount(directory)
    try:
        places = list(directory.iterdir())
    except FileNotFoundError:
        return
    for place in places:
        place.rmdir() if place.is_dir() else place.unlink()
    directory.rmdir()


def _opened(path: str, resolve: int) -> int:
    flags = os.O_PATH | os.O_CLOEXEC
    return syscalls.openat2(
        syscalls.AT_FDCWD, path, flags, resolve | syscalls.RESOLVE_NO_MAGICLINKS
    )
