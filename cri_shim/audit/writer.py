"""A thread that appends to the audit record. The loop only puts entries into a bounded queue.

The disk may be full or may not answer: the thread tries again every RETRY_S, and the entries wait.
When the queue is full, or while a write fails, `problem` says so; what follows from it is the
journal's decision. An entry that is dropped is counted, and the next line has the number (`lost`).
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from cri_shim.aio.offload import offload
from cri_shim.audit.files import Files
from cri_shim.errors import Unavailable

QUEUE = 4096  # entries; each has about 1 KiB
RETRY_S = 1.0
CLOSE_S = 2.0  # for the last entries at the end of the daemon

_Entry = tuple[Mapping[str, Any], "asyncio.Future[None] | None"]

_log = logging.getLogger(__name__)


class Writer:
    """Call every method on one loop; `start` and `close` once each."""

    def __init__(self, files: Files, name: str) -> None:
        """`name` is the file, for messages."""
        self._files, self._name = files, name
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Entry] = deque()
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self.problem = ""  # why nothing can be written now
        self.lost = 0  # entries that were dropped and not told yet

    async def start(self) -> None:
        """Open the files, and begin to write. OSError if they cannot be opened."""
        self.put(await offload(self._files.open))
        self._thread.start()

    def put(self, entry: dict[str, Any]) -> bool:
        """Let an entry be written soon; False if the queue is full, and it is lost."""
        return self._put(entry, None)

    async def write(self, entry: dict[str, Any]) -> None:
        """Return when the entry is on the disk. Unavailable if the queue is full."""
        written = self._loop.create_future()
        if not self._put(entry, written):
            raise Unavailable(self.complaint())
        await written

    def complaint(self) -> str:
        """Return why entries are not written."""
        reason = self.problem or f"{QUEUE} lines wait, and the disk does not take them"
        return f"the audit record {self._name} cannot be written: {reason}"

    def _put(self, entry: dict[str, Any], written: "asyncio.Future[None] | None") -> bool:
        with self._changed:
            if len(self._queue) >= QUEUE:
                self.lost += 1
                return False
            if self.lost:
                entry, self.lost = {**entry, "lost": self.lost}, 0
            self._queue.append((entry, written))
            self._changed.notify()
        return True

    async def close(self) -> None:
        """Give the entries that wait CLOSE_S; those that the disk does not take are lost."""
        self._ending.set()
        with self._changed:
            self._changed.notify()
        await asyncio.to_thread(self._thread.join, CLOSE_S)
        if self._thread.is_alive():  # the disk does not answer; the thread ends with the process
            _log.error("%s", self.complaint())
            return
        self._files.close()

    # -- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._ending.is_set():
                    self._changed.wait()
                batch, self._queue = self._queue, deque()
            if not batch:
                return
            self._write(batch)

    def _write(self, batch: deque[_Entry]) -> None:
        """Write the batch, however long it takes, unless the daemon ends."""
        entries = [entry for entry, _ in batch]
        while True:
            try:
                self._files.append(entries)
            except OSError as e:
                self._failed(e.strerror or str(e))
                entries = []  # the lines are kept: only their rest is left
                if self._ending.wait(RETRY_S):
                    return
            else:
                break
        if self.problem:
            _log.info("the audit record %s can be written again", self._name)
            self.problem = ""
        waiting = [future for _, future in batch if future is not None]
        self._call(_resolve, waiting)

    def _failed(self, reason: str) -> None:
        if reason != self.problem:
            self.problem = reason
            _log.error("%s; it is tried again", self.complaint())

    def _call(self, function: Any, *values: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *values)
        except RuntimeError:  # the loop is closed: nothing waits
            return


def _resolve(waiting: "list[asyncio.Future[None]]") -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
