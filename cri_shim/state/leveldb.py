"""The state store on disk: one LevelDB, keys `kind/id`.

Writes go to LevelDB's log on the loop; `sync` is an empty synced batch from one thread of its own,
which carries everything written before it to the disk. What nobody waits for is carried there
within SYNC_WITHIN_S, so that a power cut takes no more. LevelDB's LOCK file is this process's:
the directory must never be opened a second time, not even to look.

A write that failed, on a full disk, may have left half a record in the log: what LevelDB would
write behind it could not be read again, and after some failures it refuses for good. So the next
write opens the store anew first: LevelDB then keeps what is whole and begins a new log.
"""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import plyvel

from cri_shim.aio.offload import finish
from cri_shim.errors import RuntimeStopped, StateError, Unavailable
from cri_shim.state.store import Write

SYNC_WITHIN_S = 1.0  # a sync takes some 5 ms of another thread; the kernel alone would take 30 s


class LevelStore:
    def __init__(self, path: Path) -> None:
        """Open or create the store; StateError if another process has it or it is damaged."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        try:
            self._db = _open(path)
        except plyvel.IOError as e:
            raise StateError(
                f"cannot open the state in {path}: {e}; is another cri-shim running on this root?"
            ) from e
        except plyvel.CorruptionError:
            self._db = self._repaired(path)
        self._torn = False  # a write failed: open anew before the next one
        self._closed = False
        self._syncing = threading.Lock()  # the store must not be closed under a sync
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="state-sync")
        self._sync_later: asyncio.TimerHandle | None = None

    @staticmethod
    def _repaired(path: Path) -> "plyvel.DB":
        """LevelDB keeps every record it can still read; what is lost is cleaned up by recovery."""
        try:
            plyvel.repair_db(str(path))
            return _open(path)
        except plyvel.Error as e:
            raise StateError(
                f"the state in {path} is damaged and could not be repaired: {e};"
                " move the directory away to start with none"
            ) from e

    def get(self, kind: str, id: str) -> bytes | None:
        value: bytes | None = self._whole().get(_key(kind, id))
        return value

    def items(self, kind: str) -> Iterator[tuple[str, bytes]]:
        prefix = f"{kind}/".encode()
        for key, value in self._whole().iterator(prefix=prefix):
            yield key[len(prefix) :].decode(errors="replace"), value

    def put(self, kind: str, id: str, value: bytes) -> None:
        self.write([(kind, id, value)])

    def delete(self, kind: str, id: str) -> None:
        self.write([(kind, id, None)])

    def write(self, batch: Sequence[Write]) -> None:
        try:
            written = self._whole().write_batch()
            for kind, id, value in batch:
                if value is None:
                    written.delete(_key(kind, id))
                else:
                    written.put(_key(kind, id), value)
            written.write()
        except plyvel.Error as e:
            raise self._full(e) from e
        if self._sync_later is None:
            with suppress(RuntimeError):  # no loop: a tool, which closes the store soon
                loop = asyncio.get_running_loop()
                self._sync_later = loop.call_later(SYNC_WITHIN_S, self._sync_now)

    def _sync_now(self) -> None:
        self._sync_later = None
        self._thread.submit(self._flush)  # on a full disk the next write fails, and says so

    async def sync(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._whole()
        except plyvel.Error as e:
            raise self._full(e) from e
        await finish(loop.run_in_executor(self._thread, self._flush))

    def _flush(self) -> None:
        try:
            with self._syncing:
                self._db.write_batch(sync=True).write()
        except plyvel.Error as e:
            raise self._full(e) from e

    async def put_sync(self, kind: str, id: str, value: bytes) -> None:
        self.put(kind, id, value)
        await self.sync()

    async def delete_sync(self, kind: str, id: str) -> None:
        self.delete(kind, id)
        await self.sync()

    def close(self) -> None:
        self._closed = True
        if self._sync_later is not None:
            self._sync_later.cancel()
            self._thread.submit(self._flush)
        self._thread.shutdown(wait=True)
        self._db.close()

    def _whole(self) -> "plyvel.DB":
        """The store, after a failed write opened anew."""
        if self._closed:
            raise RuntimeStopped(f"the state in {self._path} is closed: its runtime was shut down")
        if self._torn:
            with self._syncing:
                self._db.close()
                self._db = _open(self._path)
            self._torn = False
        return self._db

    def _full(self, error: Exception) -> Unavailable:
        self._torn = True
        return Unavailable(f"cannot write the state in {self._path}: {error}; is the disk full?")


def _open(path: Path) -> "plyvel.DB":
    return plyvel.DB(str(path), create_if_missing=True, write_buffer_size=1 << 20)


def _key(kind: str, id: str) -> bytes:
    return f"{kind}/{id}".encode()
