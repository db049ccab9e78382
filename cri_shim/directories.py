"""Root and run root: made, checked, locked while a runtime uses them, cleared after a failed start.

Both are locked, the root by its own inode: two runtimes must not share one of them. A failed start
removes every entry and every mount that it made; those of earlier runs stay.
"""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from cri_shim import ownership
from cri_shim.errors import StateError
from cri_shim.linux import mounts
from cri_shim.linux.remove import remove_tree

_LOCK = "lock"
_OURS = frozenset({"state", "layers", "alive", "oci-bin"})  # only cri-shim has these names
_KERNELS_OWN = frozenset(
    {"bpf", "cgroup", "cgroup2", "debugfs", "devpts", "devtmpfs", "mqueue", "proc", "sysfs"}
)


class Directories:
    def __init__(self, root: Path, run_root: Path) -> None:
        self._both = (root, run_root)
        self._lock_file = run_root / _LOCK
        self._made: list[Path] = []  # directories, outermost first
        self._locks: list[int] = []
        self._before: dict[Path, set[str]] | None = None  # their entries when the locks were taken
        self._mounted: set[Path] = set()
        self._kept = False

    def lock(self) -> None:
        """Make and lock both; StateError if one is in use or cannot be trusted.

        Call `unlock` afterwards, also after a failure.
        """
        for directory in self._both:
            self._make(directory)
            check(directory)
            self._refuse_shared(directory)
        root, run_root = self._both
        self._locks.append(_locked(root, os.O_RDONLY | os.O_DIRECTORY))
        lock_was_there = self._lock_file.exists()
        self._locks.append(_locked(self._lock_file, os.O_RDWR | os.O_CREAT))
        before = {directory: set(os.listdir(directory)) for directory in self._both}  # noqa: PTH208
        if not lock_was_there:
            before[run_root].discard(_LOCK)
        self._mounted = {m for directory in self._both for m in mounts.mounts_below(directory)}
        self._before = before

    def keep(self) -> None:
        """Keep the new entries, because the start has succeeded."""
        self._kept = True

    def unlock(self) -> None:
        """Unlock; without `keep`, first remove all that was made since `lock`. Blocks."""
        try:
            if not self._kept:
                self._clear()
        finally:
            while self._locks:
                os.close(self._locks.pop())

    def _clear(self) -> None:
        for directory, entries in (self._before or {}).items():
            for mounted in mounts.mounts_below(directory):
                if mounted not in self._mounted:
                    mounts.unmount(mounted)
            for entry in directory.iterdir():
                if entry.name not in entries and entry not in self._made:
                    remove_tree(entry)
        self._before = None
        while self._made:
            with suppress(OSError):  # it may contain files of others
                self._made.pop().rmdir()

    def _refuse_shared(self, directory: Path) -> None:
        """Refuse a directory like /var/lib: its mode would change, its unknown files be deleted."""
        if not directory.stat().st_mode & 0o044:
            return  # no other user can read it, so it is not shared
        entries = {entry for entry in directory.iterdir() if entry.name != "lost+found"}
        theirs = {e for e in entries if not any(d.is_relative_to(e) for d in self._both)}
        if theirs and not any(_is_ours(entry) for entry in theirs):
            raise StateError(
                f"{directory} has files of others, such as {min(theirs).name}: name a directory"
                " of this runtime's own, which may be new"
            )

    def _make(self, directory: Path) -> None:
        # Roots of user namespaces must traverse the run root to reach their root file systems.
        mode = 0o711 if self._both[1].is_relative_to(directory) else 0o700
        missing = [d for d in (directory, *directory.parents) if not d.exists()]
        for each in reversed(missing):
            try:
                each.mkdir(mode=mode if each == directory else 0o755)
            except FileExistsError:
                continue
            except OSError as e:
                raise StateError(f"cannot make the directory {each}: {e.strerror}") from e
            self._made.append(each)


def _is_ours(entry: Path) -> bool:
    """Whether an entry of a root or run root shows that a runtime used it before."""
    return entry.name in _OURS or (entry.name == _LOCK and entry.is_file())


def check(directory: Path) -> None:
    """Refuse a directory that others may change or redirect: they could control the runtime."""
    try:
        facts, name = directory.stat(), directory.lstat()
    except OSError as e:
        raise StateError(f"cannot use the directory {directory}: {e.strerror}") from e
    us = os.geteuid()
    if not stat.S_ISDIR(facts.st_mode):
        raise StateError(f"{directory} is not a directory; remove it, or name another")
    if name.st_uid not in (us, 0) or facts.st_uid != us:
        owner = facts.st_uid if facts.st_uid != us else name.st_uid
        what = "symbolic link" if directory.is_symlink() else "directory"
        raise StateError(
            f"the {what} {directory} belongs to user {owner}, this runtime to {us}:"
            " name another, or change its owner"
        )
    if problem := ownership.of_file(directory):
        raise StateError(f"{problem}, or name another")
    if (kind := _file_system(directory)) in _KERNELS_OWN:
        raise StateError(f"{directory} is on a {kind}, which is the kernel's: name another")


def _file_system(directory: Path) -> str:
    try:
        return mounts.mount_of(directory).fstype
    except FileNotFoundError:  # in a chroot, where the mount is not visible
        return ""


def _locked(path: Path, flags: int) -> int:
    """Lock the current file of `path`; return the descriptor. `alive` is libpod's lock."""
    while True:
        try:
            fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise StateError(f"cannot lock {path}: {e.strerror}") from e
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            current = _is_at(fd, path)
        except BaseException as e:
            os.close(fd)
            if isinstance(e, OSError):
                raise _refusal(path, e) from None
            raise
        if current:
            return fd
        os.close(fd)  # a failed start has just removed the locked file


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _refusal(path: Path, error: OSError) -> StateError:
    directory = path if path.is_dir() else path.parent
    if error.errno not in (errno.EAGAIN, errno.EACCES):
        return StateError(f"cannot lock {path}: {error.strerror}")
    return StateError(
        f"{directory} is in use by another cri-shim: speak to it through its socket, stop it,"
        " or give this one its own --root, --run-root and --socket"
    )
