"""The program `into ROOT PATH UID GID`: extracts the tar on its standard input below ROOT.

If PATH is a directory, the top entry of the tar comes into it. Otherwise the entry becomes PATH,
whose parent must be a directory. ROOT is
the root file system of a container, whose processes may change it meanwhile. This process confines
itself to it first: no link leads out, and no device opens. It prints a line of JSON. Exit status 0,
1 with the reason on stderr, or NO_SPACE_EXIT.
"""

import errno
import os
import stat
import sys
import tarfile
from collections.abc import Callable
from contextlib import suppress

from cri_shim.store.unpack import confine
from cri_shim.store.unpack.failure import NO_SPACE_EXIT

_CHUNK = 1 << 20  # bytes
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DRAFT = ".cri-shim-copy"  # the name of a file until it is complete


def main(root: str, path: str, uid: str, gid: str) -> None:
    """Extract and exit."""
    try:
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|", errorlevel=2) as archive:
            confine.enter(root)
            top, name = _place(path)
            for member in archive:
                _Entry(top, name, member, (int(uid), int(gid))).make(archive)
    except (OSError, ValueError, tarfile.TarError) as e:
        no_space = isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT)
        sys.stderr.write(str(e).encode(errors="backslashreplace").decode() + "\n")
        sys.stderr.flush()
        os._exit(NO_SPACE_EXIT if no_space else 1)
    print("{}", flush=True)
    os._exit(0)


def _place(path: str) -> tuple[int, str]:
    """Open the directory of the top entry; return it and the entry's new name, "" for its own."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        return os.open(path, flags), ""
    except (FileNotFoundError, NotADirectoryError):
        parent, _, name = path.rpartition("/")
        if name in ("", ".", ".."):
            raise
        return os.open(parent or "/", flags), name


class _Entry:
    """One member of the tar, below the directory `top`; a `name` replaces its first name."""

    def __init__(
        self, top: int, name: str, member: tarfile.TarInfo, owner: tuple[int, int]
    ) -> None:
        self._member = member
        self._owner = owner
        names = [name for name in member.name.split("/") if name not in ("", ".")]
        if ".." in names:
            raise ValueError(f"{member.name}: a name must not have ..")
        self._names = [name, *names[1:]] if name and names else names
        self._top = top

    def make(self, archive: tarfile.TarFile) -> None:
        if not self._names:
            return  # the directory itself
        *above, name = self._names
        parent = self._parent(above)
        try:
            self._make(archive, parent, name)
        finally:
            os.close(parent)

    def _parent(self, names: list[str]) -> int:
        """Open the directory of the entry, without a link on the way."""
        here = os.dup(self._top)
        for name in names:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                below = os.open(name, flags, dir_fd=here)
            finally:
                os.close(here)
            here = below
        return here

    def _make(self, archive: tarfile.TarFile, parent: int, name: str) -> None:
        member = self._member
        if member.isdir():
            self._directory(parent, name)
        elif member.issym():
            self._replaced(parent, name, lambda at: os.symlink(member.linkname, at, dir_fd=parent))
            os.chown(name, *self._owner, dir_fd=parent, follow_symlinks=False)
        elif member.isfile():
            self._replaced(parent, name, lambda at: self._file(archive, parent, at))
        else:
            raise ValueError(f"{member.name} is no file, directory or symbolic link")

    def _directory(self, parent: int, name: str) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                raise
            return  # it keeps its owner and mode
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        made = os.open(name, flags, dir_fd=parent)
        try:
            os.fchown(made, *self._owner)
            os.fchmod(made, self._member.mode & 0o7777)
        finally:
            os.close(made)

    def _replaced(self, parent: int, name: str, make: Callable[[str], None]) -> None:
        """Make an entry under another name, and then in the place of `name`."""
        with suppress(FileNotFoundError):
            os.unlink(_DRAFT, dir_fd=parent)
        make(_DRAFT)
        try:
            os.rename(_DRAFT, name, src_dir_fd=parent, dst_dir_fd=parent)
        except OSError:
            os.unlink(_DRAFT, dir_fd=parent)
            raise

    def _file(self, archive: tarfile.TarFile, parent: int, name: str) -> None:
        data = archive.extractfile(self._member)
        assert data is not None
        with os.fdopen(os.open(name, _NEW, 0o600, dir_fd=parent), "wb", 0) as file:
            while piece := data.read(_CHUNK):
                file.write(piece)
            os.fchown(file.fileno(), *self._owner)
            os.fchmod(file.fileno(), self._member.mode & 0o777)
            os.utime(file.fileno(), (self._member.mtime, self._member.mtime))
