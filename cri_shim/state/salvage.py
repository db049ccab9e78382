"""Reads the records of a database that cannot be opened, and makes a new database of them.

The records are read from a copy, which LevelDB may repair: the database itself is not changed. The
last KEPT damaged databases are kept beside the new one, to find the cause of the damage.

    STATE                       the database
    STATE.new                   the new database; complete before it is renamed to STATE
    STATE.damaged-TIME          the database that was found damaged at that time
"""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import plyvel

from cri_shim.errors import StateError
from cri_shim.state import database
from cri_shim.state.database import Damaged, NoRoom

KEPT = 3  # damaged databases, some MiB each
_DAMAGED = ".damaged-"
_COPY = "cri-shim-state-"

_log = logging.getLogger(__name__)


def read(path: Path, places: Iterable[Path]) -> dict[bytes, bytes]:
    """Return every readable record, by key; `places` are directories for the copy, tried in order.

    NoRoom if none of them has room for the copy.
    """
    files = database.files_of(path) if path.is_dir() else []
    usable = [file for file in files if database.usable(file)]
    problem: Exception | None = None
    for place in places:
        try:
            with tempfile.TemporaryDirectory(prefix=_COPY, dir=place) as made:
                return _records(usable, Path(made))
        except (OSError, NoRoom, StateError) as e:
            problem = e
    raise NoRoom(f"there is no room for a copy of it: {problem}") from problem


def _records(files: Sequence[Path], copy: Path) -> dict[bytes, bytes]:
    _copy(files, copy)
    try:
        db = database.opened(copy)
    except Damaged:
        for file in copy.iterdir():
            file.unlink()
        db = _repaired(files, copy)
    if db is None:
        return {}
    try:
        return dict(db.iterator(verify_checksums=True))
    finally:
        db.close()


def _repaired(files: Sequence[Path], copy: Path) -> "plyvel.DB | None":
    """Repair the copy: drop bad blocks of tables and bad records of logs; None if that fails.

    LevelDB's repair verifies tables, but not logs. So the logs are added after the repair, and
    opening the database verifies them.
    """
    logs = [file for file in files if file.suffix == ".log"]
    _copy([file for file in files if file.suffix in (".ldb", ".sst")], copy)
    try:
        plyvel.repair_db(str(copy), paranoid_checks=True)
        _copy(logs, copy)
        return database.opened(copy, strict=False)
    except (plyvel.Error, Damaged) as e:
        problem = database.meaning(e, copy)
        if not isinstance(problem, Damaged):
            raise problem from e
        _log.error("LevelDB cannot repair its database: %s", problem)
        return None


def _copy(files: Iterable[Path], target: Path) -> None:
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as e:  # usually a bad sector
            _log.error("%s cannot be read and is left out: %s", file, e.strerror)
            continue
        (target / file.name).write_bytes(data)


def replace(path: Path, records: Mapping[bytes, bytes]) -> Path:
    """Replace the damaged database by a new one with these records; return the old one's new path.

    After NoRoom or StateError nothing has changed.
    """
    new = _new(path)
    copy = path.with_name(f"{path.name}{_DAMAGED}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    _remove(new)
    _remove(copy)  # from the same second
    try:
        new.mkdir(mode=0o700)
        db = database.made(new)
        with db.write_batch(sync=True) as batch:
            for key, value in records.items():
                batch.put(key, value)
        db.close()
        path.rename(copy)
    except (plyvel.Error, OSError) as e:
        _remove(new)
        raise database.meaning(e, path) from e
    new.rename(path)  # if the process dies before, the next start does it: see `finish`
    _sync(path.parent)
    for old in damaged(path)[:-KEPT]:
        _remove(old)
    return copy


def finish(path: Path) -> None:
    """Complete a `replace` that the death of the process interrupted, or remove its files."""
    new = _new(path)
    if not os.path.lexists(path) and new.is_dir():
        new.rename(path)
    else:
        _remove(new)
    for copy in path.parent.glob(f"{_COPY}*"):
        _remove(copy)


def damaged(path: Path) -> Sequence[Path]:
    """Return the kept damaged databases, oldest first."""
    return sorted(path.parent.glob(f"{path.name}{_DAMAGED}*"))


def _remove(entry: Path) -> None:
    shutil.rmtree(entry, ignore_errors=True)
    with suppress(OSError):
        entry.unlink(missing_ok=True)  # it was not a directory


def _new(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)
