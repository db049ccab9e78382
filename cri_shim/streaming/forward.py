"""One forwarded connection: a client's stream on one side, a socket into the pod on the other.

Each direction ends for itself. Once the pod has said all, the client has QUIET_S to go on talking.
A client's bytes wait here while the pod does not read. The session is told how many, for it bounds
those of all its connections together: its transport cannot stop one of them alone.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

from cri_shim.errors import CriShimError

POUR = 1 << 18  # bytes given to the transport at once, of those that have waited
QUIET_S = 10.0  # how long a client may be silent after the pod has closed its side

Connect = Callable[[], Awaitable[socket.socket]]


class Client(Protocol):
    """The client's stream of this connection."""

    def data(self, data: bytes) -> None:
        """Bytes from the pod."""

    def data_end(self) -> None:
        """The pod has said all."""

    def failed(self, text: str) -> None:
        """There is no connection. The clients end their whole session when they hear of this."""

    def over(self, broken: bool) -> None:
        """Nothing more will come or be taken; `broken`: not all that should have been was."""

    def waits(self, by: int) -> None:
        """So many bytes more wait for the pod, or less."""


class Forward(asyncio.Protocol):
    """Made by `run`; talked to by feed, feed_end, pause, resume and abort.

    `gone` is called once, when neither the connection nor an attempt to make it is left.
    """

    def __init__(self, client: Client, gone: Callable[[], None]) -> None:
        self._client = client
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._connecting: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._waiting = bytearray()  # for the pod, in one piece however small the client's are
        self._full = True  # the transport has enough for now, or is not there yet
        self._client_done = False
        self._pod_done = False
        self._paused = False
        self._held = 0  # bytes that wait for the pod, here and in the transport
        self._running = True
        self._over = False
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, connect: Connect) -> None:
        """Connect and join the two sides; returns as soon as they are joined. To be a task."""
        self._connecting = asyncio.current_task()
        try:
            await self._connect(connect)
        finally:
            self._running = False
            self._look_gone()

    async def _connect(self, connect: Connect) -> None:
        if self._over:
            return
        try:
            pod = await connect()
        except CriShimError as e:
            if not self._over:
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
        """Bytes for the pod."""
        if self._over or self._client_done:
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
        """The client has said all."""
        self._client_done = True
        if self._transport is not None and not self._over and not self._waiting:
            self._end_input(self._transport)

    def _end_input(self, transport: asyncio.Transport) -> None:
        """After all that was written. Idempotent."""
        if self._pod_done:
            transport.close()
        else:
            transport.write_eof()

    def _pour(self, transport: asyncio.Transport) -> None:
        """Hand over what waits, as far as it is taken."""
        while self._waiting and not self._full:
            piece = bytes(self._waiting[:POUR])
            del self._waiting[:POUR]
            transport.write(piece)
        self._count()
        if self._client_done and not self._waiting:
            self._end_input(transport)

    def _count(self) -> None:
        """Tell how much waits."""
        held = 0
        if not self._over:
            held = len(self._waiting)
            held += 0 if self._transport is None else self._transport.get_write_buffer_size()
        if held != self._held:
            by, self._held = held - self._held, held
            self._client.waits(by)

    def pause(self) -> None:
        """Take nothing more from the pod for now."""
        self._paused = True
        if self._transport is not None and not self._over:
            self._transport.pause_reading()

    def resume(self) -> None:
        self._paused = False
        if self._transport is not None and not self._over:
            self._transport.resume_reading()

    def abort(self) -> None:
        """The client has broken it off: so do we, towards the pod."""
        if self._over:
            return
        if self._transport is not None:
            self._transport.abort()
        elif self._connecting is not None:
            self._connecting.cancel()
        self._finish(broken=True)

    def refuse(self, reason: str) -> None:
        """End, and tell the client why."""
        if not self._over:
            self._client.failed(reason)
            self.abort()

    # -- from the pod -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._over:
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=0)  # told of all that it cannot write at once
        if self._paused:
            self._transport.pause_reading()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        if not self._over:
            self._client.data(data)

    def eof_received(self) -> bool:
        self._pod_done = True
        if self._over:
            return False
        self._client.data_end()
        if not self._client_done:
            self._wait_for_client()  # it may still have something to say
        return not self._client_done or bool(self._waiting)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._over:
            self._finish(broken=error is not None)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._transport is not None and not self._over:
            self._pour(self._transport)

    # -- the end ------------------------------------------------------------------------------

    def _wait_for_client(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(QUIET_S, self.abort)

    def _look_gone(self) -> None:
        if self._over and not self._running:
            self._gone()

    def _finish(self, broken: bool) -> None:
        self._over = True
        self._waiting.clear()
        self._count()
        if self._timer is not None:
            self._timer.cancel()
        if not self._pod_done:
            self._client.data_end()
        self._client.over(broken)
        self._look_gone()
