"""Makes the entries of a tar below a directory that others may change meanwhile.

No symbolic link is followed on the way to an entry, and no name leads out of the directory. An
entry replaces what has its name, but a directory stays.
"""

import os
import stat
import tarfile
from collections.abc import Callable
from contextlib import suppress

_CHUNK = 1 << 20  # bytes
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DRAFT = ".cri-shim-copy"  # the name of a file until it is complete


def place(path: str) -> tuple[int, str]:
    """Open the directory of the top entry; return it and the entry's new name, "" for its own."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        return os.open(path, flags), ""
    except (FileNotFoundError, NotADirectoryError):
        parent, _, name = path.rpartition("/")
        if name in ("", ".", ".."):
            raise
        return os.open(parent or "/", flags), name


class Copied:
    """One member of the tar, below the directory `top`; a `name` replaces its first name."""

    def __init__(
        self, top: int, name: str, member: tarfile.TarInfo, owner: tuple[int, int]
    ) -> None:
        self._member = member
        self._owner = owner
        self._renamed = name
        self._names = self._below(member.name)
        self._top = top

    def _below(self, path: str) -> list[str]:
        """Return the names of a path of the tar, the first one as it is here."""
        names = [name for name in path.split("/") if name not in ("", ".")]
        if ".." in names:
            raise ValueError(f"{path}: a name must not have ..")
        return [self._renamed, *names[1:]] if self._renamed and names else names

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
        elif member.islnk():
            self._replaced(parent, name, lambda at: self._link(parent, at))
        else:
            raise ValueError(f"{member.name} is not a file, directory or symbolic link")

    def _link(self, parent: int, name: str) -> None:
        """Link to a file that was copied before."""
        *above, last = self._below(self._member.linkname)
        directory = self._parent(above)
        try:
            os.link(last, name, src_dir_fd=directory, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(directory)

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
