"""One forwarded connection: a client's stream on one side, a socket into the pod on the other.

Each direction ends separately. After the pod has closed its side, the client may be silent for
QUIET_S. A client's bytes are buffered here while the pod does not read. The session gets their
number and limits the sum of all its connections: its transport cannot pause a single one.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

from cri_shim.errors import CriShimError

WRITE_SIZE = 1 << 18  # buffered bytes that are written to the transport at once
QUIET_S = 10.0  # limit of a client's silence after the pod has closed its side

Connect = Callable[[], Awaitable[socket.socket]]


class Client(Protocol):
    """The client's stream of this connection."""

    def data(self, data: bytes) -> None:
        """Send bytes from the pod."""

    def data_end(self) -> None:
        """The pod has closed its side."""

    def failed(self, text: str) -> None:
        """The connection could not be made. Clients end their whole session after this."""

    def ended(self, broken: bool) -> None:
        """The connection has ended. `broken`: some data was lost."""

    def waits(self, by: int) -> None:
        """The number of bytes that wait for the pod has changed by `by`."""


class Forward(asyncio.Protocol):
    """`run` connects; the session calls feed, feed_end, pause, resume and abort.

    `gone` is called once, when the connection and the attempt to make it have ended.
    """

    def __init__(self, client: Client, gone: Callable[[], None]) -> None:
        self._client = client
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._connecting: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._waiting = bytearray()  # bytes for the pod; one buffer, because pieces may be small
        self._full = True  # the transport is full, or is not connected yet
        self._client_done = False
        self._pod_done = False
        self._paused = False
        self._held = 0  # bytes that wait for the pod, here and in the transport
        self._running = True
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, connect: Connect) -> None:
        """Connect the two sides and return. Run this as a task."""
        self._connecting = asyncio.current_task()
        try:
            await self._connect(connect)
        finally:
            self._running = False
            self._check_gone()

    async def _connect(self, connect: Connect) -> None:
        if self._ended:
            return
        try:
            pod = await connect()
        except CriShimError as e:
            if not self._ended:
                self._client.failed(str(e))
                self._finish(broken=False)
            return
        try:
            await self._loop.create_connection(lambda: self, sock=pod)
        except BaseException:
            pod.close()
            raise

    # -- from the client ----------------------------------------------------------------------

    def feed(self, data: bytes | memoryview) -> None:
        """Send bytes to the pod."""
        if self._ended or self._client_done:
            return
        if self._transport is None or self._full:
            self._waiting += data
        else:
            self._transport.write(data)
        if self._full:
            self._count()
        if self._timer is not None:
            self._wait_for_client()

    def feed_end(self) -> None:
        """The client has closed its side."""
        self._client_done = True
        if self._transport is not None and not self._ended and not self._waiting:
            self._end_input(self._transport)

    def _end_input(self, transport: asyncio.Transport) -> None:
        """End the pod's input after all written bytes. Idempotent."""
        if self._pod_done:
            transport.close()
        else:
            transport.write_eof()

    def _write_waiting(self, transport: asyncio.Transport) -> None:
        """Write buffered bytes until the transport is full."""
        while self._waiting and not self._full:
            piece = bytes(self._waiting[:WRITE_SIZE])
            del self._waiting[:WRITE_SIZE]
            transport.write(piece)
        self._count()
        if self._client_done and not self._waiting:
            self._end_input(transport)

    def _count(self) -> None:
        """Report to the session how many bytes wait."""
        held = 0
        if not self._ended:
            held = len(self._waiting)
            held += 0 if self._transport is None else self._transport.get_write_buffer_size()
        if held != self._held:
            by, self._held = held - self._held, held
            self._client.waits(by)

    def pause(self) -> None:
        """Stop reading from the pod."""
        self._paused = True
        if self._transport is not None and not self._ended:
            self._transport.pause_reading()

    def resume(self) -> None:
        self._paused = False
        if self._transport is not None and not self._ended:
            self._transport.resume_reading()

    def abort(self) -> None:
        """The client broke the connection: break the one to the pod."""
        if self._ended:
            return
        if self._transport is not None:
            self._transport.abort()
        elif self._connecting is not None:
            self._connecting.cancel()
        self._finish(broken=True)

    def refuse(self, reason: str) -> None:
        """End the connection and send the reason to the client."""
        if not self._ended:
            self._client.failed(reason)
            self.abort()

    # -- from the pod -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._ended:
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=0)  # pause_writing at the first unsent byte
        if self._paused:  # Debian 12's Python 3.11.2 begins to read after this call, also if paused
            asyncio.get_running_loop().call_soon(self._pause_reading)
        self.resume_writing()

    def _pause_reading(self) -> None:
        if self._paused:
            self.pause()

    def data_received(self, data: bytes) -> None:
        if not self._ended:
            self._client.data(data)

    def eof_received(self) -> bool:
        self._pod_done = True
        if self._ended:
            return False
        self._client.data_end()
        if not self._client_done:
            self._wait_for_client()  # it may still send data
        return not self._client_done or bool(self._waiting)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ended:
            self._finish(broken=error is not None)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._transport is not None and not self._ended:
            self._write_waiting(self._transport)

    # -- the end ------------------------------------------------------------------------------

    def _wait_for_client(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(QUIET_S, self.abort)

    def _check_gone(self) -> None:
        if self._ended and not self._running:
            self._gone()

    def _finish(self, broken: bool) -> None:
        self._ended = True
        self._waiting.clear()
        self._count()
        if self._timer is not None:
            self._timer.cancel()
        if not self._pod_done:
            self._client.data_end()
        self._client.ended(broken)
        self._check_gone()
