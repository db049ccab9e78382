"""Opens and verifies LevelDB, and classifies its errors.

LevelDB reports damage late: it finds a damaged table when it reads a record of it, truncates a
damaged log silently, and clears a directory without the file CURRENT as if it were empty. So a
database is opened strictly, never created over existing files, and read once completely.
"""

import errno
import os
import re
import stat
from pathlib import Path

import plyvel

from cri_shim.errors import StateError

WRITE_BUFFER = 1 << 20  # bytes; LevelDB's log grows to this size before it becomes a table
MAX_FILE = 64 << 20  # bytes; LevelDB's files stay below 3 MiB, unless one record is larger

_FILE = re.compile(r"CURRENT|LOCK|LOG(\.old)?|MANIFEST-\d+|\d+\.(ldb|sst|log|dbtmp)")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM)
_NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class Damaged(Exception):
    """The database cannot be read completely; the text is LevelDB's."""


class NoRoom(Exception):
    """The file system has no room for opening or writing; the text is LevelDB's."""


def opened(path: Path, *, strict: bool = True) -> "plyvel.DB":
    """Open and verify the database in the directory `path`; create it if the directory is empty.

    Without `strict`, bad records of its logs are skipped. Damaged, NoRoom; StateError if it cannot
    be opened for another reason.
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
    """Create a new database. Raises plyvel's errors: see `meaning`."""
    return plyvel.DB(
        str(path), create_if_missing=True, error_if_exists=True, write_buffer_size=WRITE_BUFFER
    )


def files_of(path: Path) -> list[Path]:
    """Return LevelDB's files in its directory, by name; other files are ignored."""
    return sorted(entry for entry in path.iterdir() if _FILE.fullmatch(entry.name))


def usable(file: Path) -> bool:
    """Whether LevelDB can read the file: it would block on a FIFO, and read any size."""
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
    """Translate an error of LevelDB or the system to Damaged, NoRoom or a StateError with a hint.

    LevelDB returns no error numbers, but its messages contain their texts.
    """
    if isinstance(error, StateError):
        return error
    message = text(error)
    if "/LOCK: " in message and _has(message, (errno.EAGAIN, errno.EACCES), "already held"):
        return StateError(
            f"cannot open the state in {path}: {message}; is another cri-shim running on this root?"
        )
    if _has(message, _NO_ROOM):
        return NoRoom(message)
    if _has(message, _NOT_ALLOWED):
        return StateError(
            f"cannot write the state in {path}: {message}; make its file system writable"
            " (is it mounted read-only?), or set another root"
        )
    if _has(message, _NO_RESOURCES):
        return StateError(f"cannot open the state in {path}: {message}")
    return Damaged(message)


def _has(message: str, codes: tuple[int, ...], *texts: str) -> bool:
    return any(wanted in message for wanted in (*map(os.strerror, codes), *texts))


def text(error: Exception) -> str:
    """Return the text of an error; plyvel's errors have bytes."""
    message = error.args[0] if error.args else ""
    return message.decode(errors="replace") if isinstance(message, bytes) else str(error)
