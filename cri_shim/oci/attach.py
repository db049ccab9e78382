"""A client of conmon's attach socket: the container's output from now on, and its input.

conmon writes to its clients one after the other and waits for each. A client that does not read
stops the container's output and its log. So this client always reads records as they arrive; a
caller that cannot pass them on has to `close`.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

from cri_shim.errors import TimedOut, ToolFailed, WrongState

RECORD = 8193  # bytes: one byte for the stream, and at most 8192 of output
FEED = 32768  # bytes of input in one record; conmon silently cuts a longer one
CONNECT_S = 5.0  # for conmon to accept a client from its queue, which holds ten
_RETRY_S = 0.002
_AT_ONCE = 64  # records that are read before other callbacks on the loop run


class ConmonClient:
    """Calls `output(stream, data)` for each record, and `ended` once, after all output.

    `drained` is called when the input that waited has been written. The caller must `close`.
    """

    def __init__(
        self,
        output: Callable[[int, bytes], None],
        drained: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._output = output
        self._drained = drained
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._waiting = bytearray()
        self._ending = False

    async def connect(self, bundle: Path) -> None:
        """Connect to the conmon of `bundle`; WrongState if it has ended; ToolFailed, TimedOut."""
        try:
            directory = os.open(bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as e:
            raise WrongState(f"container {bundle.name} has ended") from e
        try:  # by a descriptor, because the path of a unix socket has at most 107 bytes
            async with asyncio.timeout(CONNECT_S):
                await self._connect(f"/proc/self/fd/{directory}/attach")
        except TimeoutError as e:
            raise TimedOut(
                f"cannot attach to container {bundle.name}: its conmon does not answer"
            ) from e
        except (FileNotFoundError, ConnectionRefusedError) as e:
            raise WrongState(f"container {bundle.name} has ended: its conmon is gone") from e
        except OSError as e:
            raise ToolFailed(f"cannot attach to container {bundle.name}: {e.strerror}") from e
        finally:
            os.close(directory)
        self._loop.add_reader(self._socket, self._read)

    async def _connect(self, path: str) -> None:
        """Connect. EAGAIN means that the queue is full; no event reports a free place in it."""
        while True:
            try:
                self._socket.connect(path)
            except BlockingIOError:
                await asyncio.sleep(_RETRY_S)
            else:
                return

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            if self._socket.fileno() < 0:  # the callback of the last record closed it
                return
            try:
                record = self._socket.recv(RECORD)
            except BlockingIOError:
                return
            except OSError:
                record = b""
            if not record:
                self._loop.remove_reader(self._socket)
                self._ended()
                return
            self._output(record[0] - 1, record[1:])  # conmon's 2 is stdout, 3 is stderr

    def feed(self, data: bytes | memoryview) -> int:
        """Send input to the container; return how many bytes wait to be sent."""
        if self._socket.fileno() < 0 or self._ending:
            return 0
        waited = bool(self._waiting)
        self._waiting += data
        if not waited:
            self._write()
            if self._waiting:
                self._loop.add_writer(self._socket, self._flush)
        return len(self._waiting)

    def feed_end(self) -> None:
        """End the input. conmon's flags decide what that means for the container."""
        self._ending = True
        if not self._waiting:
            self._shut()

    def _flush(self) -> None:
        self._write()
        if not self._waiting:
            self._loop.remove_writer(self._socket)
            if self._ending:
                self._shut()
            self._drained()

    def _write(self) -> None:
        while self._waiting:
            record = self._waiting[:FEED]
            try:
                self._socket.send(record)  # whole, or not at all
            except BlockingIOError:
                return
            except OSError:  # conmon has ended; the reader reports it
                self._waiting.clear()
                return
            del self._waiting[: len(record)]

    def _shut(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return  # conmon has ended

    def close(self) -> None:
        """Detach; the container continues. Idempotent."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
