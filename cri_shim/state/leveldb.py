"""The state store on disk: one LevelDB, keys `kind/id`.

Writes go to LevelDB's log on the loop. `sync` is an empty synced batch from a separate thread; it
flushes all earlier writes to the disk. Writes without a `sync` are flushed within SYNC_WITHIN_S,
which limits the loss in a power failure. This process holds LevelDB's LOCK file: the directory must
never be opened a second time, not even for reading.

A failed write on a full disk may leave half a record in the log. LevelDB could not read later
records behind it, and after some failures it refuses all writes. So the next write first opens the
store again: LevelDB then keeps the complete records and begins a new log.

- A full disk: the reserve is released. If that is not enough to open the database, its records are
  read from a copy on another file system, and nothing is written until there is room.
- A damaged database: its readable records become a new database, and the damaged one is kept beside
  it. While the daemon runs, lost records are written again from memory.
"""

import asyncio
import errno
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import plyvel

from cri_shim.aio.offload import finish
from cri_shim.errors import RuntimeStopped, StateError, Unavailable
from cri_shim.linux.privacy import make_private
from cri_shim.state import database, salvage
from cri_shim.state.database import Damaged, NoRoom
from cri_shim.state.reserve import Reserve
from cri_shim.state.store import DAMAGED, Write

MEMORY = Path("/dev/shm")  # a file system in memory
LEAST_ROOM, LEAST_FILES = 64 << 10, 6  # bytes and inodes that opening needs at least

_log = logging.getLogger(__name__)

SYNC_WITHIN_S = 1.0  # a sync takes 5 ms in another thread; the kernel itself writes after 30 s


class LevelStore:
    def __init__(self, path: Path, *, copies: Sequence[Path] = (MEMORY,)) -> None:
        """Open or create the store; StateError if another process uses it, or it is not writable.

        `copies` are directories for a temporary copy if there is no room beside `path`.
        """
        self._path = _place(path)
        self._copies = (self._path.parent, *copies)
        self._reserve = Reserve(self._path.with_name("reserve"))
        self._db: plyvel.DB | None = None  # None: there is no room to open it
        self._kept: dict[bytes, bytes] = {}  # its records while it cannot be opened
        self._owed: dict[tuple[str, str], None] = {}  # keys to delete with the next write
        self._everything: list[Callable[[], Iterable[Write]]] = []
        self._torn = False  # a write failed: open again before the next one
        self._closed = False
        self._syncing = threading.Lock()  # the store must not be closed under a sync
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="state-sync")
        self._sync_later: asyncio.TimerHandle | None = None
        salvage.finish(self._path)
        make_private(self._path)
        try:
            self._open()
        except NoRoom as e:
            self._kept = self._read()
            _log.error("%s; the daemon works from memory until there is room", self._refusal(e))
        self._thread.submit(self._reserve.make)

    def get(self, kind: str, id: str) -> bytes | None:
        value: bytes | None
        if (db := self._current()) is None:
            value = self._kept.get(_key(kind, id))
        else:
            value = db.get(_key(kind, id))
        return value

    def items(self, kind: str) -> Iterator[tuple[str, bytes]]:
        prefix = f"{kind}/".encode()
        found: Iterable[tuple[bytes, bytes]]
        if (db := self._current()) is None:
            found = [(key, self._kept[key]) for key in sorted(self._kept) if key.startswith(prefix)]
        else:
            found = db.iterator(prefix=prefix)
        for key, value in found:
            yield key[len(prefix) :].decode(errors="surrogateescape"), value

    def put(self, kind: str, id: str, value: bytes) -> None:
        self.write([(kind, id, value)])

    def delete(self, kind: str, id: str) -> None:
        self._owed[kind, id] = None
        try:
            self.write([])
        except Unavailable as e:
            _log.error("%s %s is removed from the state when there is room: %s", kind, id, e)

    def write(self, batch: Sequence[Write]) -> None:
        batch = [*((kind, id, None) for kind, id in self._owed), *batch]
        try:
            try:
                self._put(batch)
            except plyvel.Error as e:
                if not self._may_work_now(e):
                    raise
                self._put(batch)
        except (plyvel.Error, NoRoom, StateError) as e:
            raise self._refusal(e) from e
        self._owed.clear()
        if self._reserve.due():
            self._thread.submit(self._reserve.make)

    def _put(self, batch: Sequence[Write]) -> None:
        written = self._writable().write_batch()
        for kind, id, value in batch:
            if value is None:
                written.delete(_key(kind, id))
            else:
                written.put(_key(kind, id), value)
        try:
            written.write()
        except plyvel.Error:
            self._torn = True
            raise
        if self._sync_later is None:
            with suppress(RuntimeError):  # no loop: a tool, which soon closes the store
                loop = asyncio.get_running_loop()
                self._sync_later = loop.call_later(SYNC_WITHIN_S, self._sync_now)

    def _sync_now(self) -> None:
        self._sync_later = None
        self._thread.submit(self._flush)  # on a full disk the next write reports the error

    async def sync(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._writable()
        except (NoRoom, StateError) as e:
            raise self._refusal(e) from e
        await finish(loop.run_in_executor(self._thread, self._flush))

    def _flush(self) -> None:
        try:
            with self._syncing:
                if self._db is not None:
                    self._db.write_batch(sync=True).write()
        except plyvel.Error as e:
            self._torn = True
            raise self._refusal(e) from e

    def keep(self, everything: Callable[[], Iterable[Write]]) -> None:
        self._everything.append(everything)

    def close(self) -> None:
        self._closed = True
        if self._sync_later is not None:
            self._sync_later.cancel()
            self._thread.submit(self._flush)
        self._thread.shutdown(wait=True)
        if self._db is not None:
            self._db.close()

    def _current(self) -> "plyvel.DB | None":
        """Return the database, or None while there is no room to open it."""
        if self._closed:
            raise RuntimeStopped(f"the state in {self._path} is closed: its runtime was shut down")
        return self._db

    def _writable(self) -> "plyvel.DB":
        """Return the database, opened again after a failed write. NoRoom if that needs room."""
        if (db := self._current()) is not None and self._torn:
            self._close_torn(db)
        if self._db is None:
            if not _has_room(self._path.parent):
                raise NoRoom(os.strerror(errno.ENOSPC))
            self._open()
        return self._db

    def _close_torn(self, db: "plyvel.DB") -> None:
        with self._syncing:
            try:
                self._kept = dict(db.iterator())
            except plyvel.Error as e:  # memory has the records: see `keep`
                _log.error("cannot read the state in %s: %s", self._path, database.text(e))
            db.close()
            self._db = None

    def _open(self) -> None:
        """Open the database; release the reserve if there is no room. NoRoom if that fails."""
        try:
            self._db = self._whole()
        except NoRoom as e:
            if not self._may_work_now(e):
                raise
            self._db = self._whole()
        self._kept, self._torn = {}, False

    def _whole(self) -> "plyvel.DB":
        """Open the database, and repair it if it is damaged."""
        try:
            return database.opened(self._path)
        except Damaged as e:
            records = self._read() | dict(self._in_memory())
            copy = salvage.replace(self._path, records | {_key("meta", DAMAGED): b"1"})
            _log.error(
                "the state in %s was damaged (%s): %d records of it could be read; the damaged one"
                " is kept in %s",
                self._path, e, len(records), copy,
            )  # fmt: skip
        return database.opened(self._path)

    def _in_memory(self) -> Iterator[tuple[bytes, bytes]]:
        for everything in self._everything:
            for kind, id, value in everything():
                if value is not None:
                    yield _key(kind, id), value

    def _read(self) -> dict[bytes, bytes]:
        try:
            return salvage.read(self._path, self._copies)
        except (NoRoom, OSError) as e:
            raise StateError(f"cannot read the state in {self._path}: {e}; free some space") from e

    def _may_work_now(self, error: Exception) -> bool:
        """Whether to try again: damage can be repaired, and a full disk may have a reserve."""
        problem = database.meaning(error, self._path)
        if isinstance(problem, NoRoom) and self._reserve.release():
            _log.warning("the disk with the state in %s is full: its reserve is used", self._path)
            return True
        return isinstance(problem, Damaged)

    def _refusal(self, error: Exception) -> Unavailable:
        text = database.text(error)
        if isinstance(database.meaning(error, self._path), NoRoom):
            text = f"no space left ({_left(self._path.parent)}); remove images or other files"
        return Unavailable(f"cannot write the state in {self._path}: {text}")


def _place(path: Path) -> Path:
    """Return the database's directory. A link to another disk is followed if its target exists."""
    if path.is_symlink() and not path.exists():
        target = path.readlink()
        raise StateError(f"{path} is a link to {target}, which is not there; is it mounted?")
    make_private(path.parent)
    return path.resolve()


def _left(directory: Path) -> str:
    """Return what is free, as in "0 B and 12000 inodes free"."""
    facts = os.statvfs(directory)
    inodes = f" and {facts.f_favail} inodes" if facts.f_files else ""
    return f"{facts.f_bavail * facts.f_frsize} B{inodes} free"


def _has_room(directory: Path) -> bool:
    """Whether an attempt is useful: a few blocks and inodes are free."""
    facts = os.statvfs(directory)
    blocks = facts.f_bavail * facts.f_frsize >= LEAST_ROOM
    return blocks and (facts.f_files == 0 or facts.f_favail >= LEAST_FILES)


def _key(kind: str, id: str) -> bytes:
    return f"{kind}/{id}".encode(errors="surrogateescape")
