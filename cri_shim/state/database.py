"""Opening LevelDB, with everything in it verified, and what its errors mean.

LevelDB reports damage late: a damaged table is found when a record in it is read, a damaged log is
shortened without a word, and a directory without the file CURRENT counts as empty and is cleared.
So a database is opened strictly, never created over files that are there, and read once as a whole.
"""

import errno
import os
import re
import stat
from pathlib import Path

import plyvel

from cri_shim.errors import StateError

WRITE_BUFFER = 1 << 20  # bytes; LevelDB's log grows to this size before it becomes a table
MAX_FILE = 64 << 20  # bytes; LevelDB's own files stay below 3 MiB, unless one record is larger

_FILE = re.compile(r"CURRENT|LOCK|LOG(\.old)?|MANIFEST-\d+|\d+\.(ldb|sst|log|dbtmp)")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM)
_NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class Damaged(Exception):
    """The database cannot be read as a whole; the text is LevelDB's."""


class NoRoom(Exception):
    """The file system has no room for what opening or writing needs; the text is LevelDB's."""


def opened(path: Path, *, strict: bool = True) -> "plyvel.DB":
    """The database in the directory `path`, made if the directory is empty, and verified.

    Not `strict`: bad records of its logs are left out. Damaged, NoRoom; StateError if it cannot be
    opened for another reason.
    """
    try:
        files = _checked(path)
    except OSError as e:
        raise meaning(e, path) from e
    try:
        db = plyvel.DB(
            str(path),
            create_if_missing=not files,
            write_buffer_size=WRITE_BUFFER,
            paranoid_checks=strict,
        )
    except plyvel.Error as e:
        raise meaning(e, path) from e
    try:
        for _ in db.iterator(verify_checksums=True, fill_cache=False):
            pass
    except plyvel.Error as e:
        db.close()
        raise meaning(e, path) from e
    return db


def made(path: Path) -> "plyvel.DB":
    """A new database where there is none. Raises plyvel's errors: see `meaning`."""
    return plyvel.DB(
        str(path), create_if_missing=True, error_if_exists=True, write_buffer_size=WRITE_BUFFER
    )


def files_of(path: Path) -> list[Path]:
    """What LevelDB has in its directory, by name; what else may be there does not matter."""
    return sorted(entry for entry in path.iterdir() if _FILE.fullmatch(entry.name))


def usable(file: Path) -> bool:
    """LevelDB would block on a FIFO, and read a file of any size."""
    facts = file.lstat()
    return stat.S_ISREG(facts.st_mode) and facts.st_size <= MAX_FILE


def _checked(path: Path) -> list[Path]:
    if os.path.lexists(path) and not path.is_dir():
        raise Damaged("it is not a directory")
    path.mkdir(mode=0o700, exist_ok=True)
    files = files_of(path)
    for file in files:
        if not usable(file):
            raise Damaged(f"{file.name} is not a regular file of at most {MAX_FILE} bytes")
    return files


def meaning(error: Exception, path: Path) -> Exception:
    """An error of LevelDB or the system as Damaged, NoRoom or a StateError that says what to do.

    LevelDB has no error numbers, but their texts are in its messages.
    """
    if isinstance(error, StateError):
        return error
    said = text(error)
    if "/LOCK: " in said and _has(said, (errno.EAGAIN, errno.EACCES), "already held"):
        return StateError(
            f"cannot open the state in {path}: {said}; is another cri-shim running on this root?"
        )
    if _has(said, _NO_ROOM):
        return NoRoom(said)
    if _has(said, _NOT_ALLOWED):
        return StateError(
            f"cannot write the state in {path}: {said}; make its file system writable"
            " (is it mounted read-only?), or set another root"
        )
    if _has(said, _NO_RESOURCES):
        return StateError(f"cannot open the state in {path}: {said}")
    return Damaged(said)


def _has(said: str, codes: tuple[int, ...], *texts: str) -> bool:
    return any(wanted in said for wanted in (*map(os.strerror, codes), *texts))


def text(error: Exception) -> str:
    """What an error says; plyvel's have bytes."""
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(error)
