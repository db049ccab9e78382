"""The listening socket: accepting clients, and the TLS handshake of each.

    accept -> arriving (TLS handshake, HANDSHAKE_S) -> Connection

A client that has not finished its handshake is not a connection yet. Such clients have their own
limit: a new one replaces the oldest, so a port scanner cannot keep others out, no matter how many
connections it opens.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Callable

from cri_shim.aio import descriptors

HANDSHAKE_S = 10.0  # for a TLS handshake; clients on this node take a few milliseconds
MAX_ARRIVING = 128  # handshakes under way; each costs up to 1 ms of CPU, and they may end together
AT_ONCE = 8  # clients accepted before other callbacks on the loop run
RETRY_S = 1.0  # after accept failed because descriptors or memory ran out
SILENT_S = 60.0  # between two warnings of the same kind
BACKLOG = 128  # connections that the kernel queues

# Temporary errors of the machine. Any other error of accept concerns one connection only.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log = logging.getLogger(__name__)


class Listener:
    """`make` makes the protocol of a client; it is called after the TLS handshake, if any.

    `clients` is what log lines call the clients. `context` may be replaced at any time.
    """

    def __init__(
        self,
        make: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext | None,
        clients: str = "streaming clients",
    ) -> None:
        self._make = make
        self._clients = clients
        self.context = context
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._arriving: dict[asyncio.Task[None], None] = {}  # oldest first
        self._silent_until = 0.0

    def listen(self, address: str, port: int) -> tuple[str, int]:
        """Start to accept; return the address and port in use. Raises OSError."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.create_server((address, port), family=family, backlog=BACKLOG)
        self.listen_on(listening)
        host, port = listening.getsockname()[:2]
        return host, port

    def listen_on(self, listening: socket.socket) -> None:
        """Start to accept on a socket that listens; it is closed by `close`."""
        self._socket = listening
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket, self._accept)

    async def close(self) -> None:
        """Stop accepting, and drop the clients whose handshakes are not finished."""
        if self._retry is not None:
            self._retry.cancel()
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        await asyncio.sleep(0)  # now each task has started, and its transport will close its socket
        arriving = list(self._arriving)
        for task in arriving:
            task.cancel()
        await asyncio.gather(*arriving, return_exceptions=True)

    def _accept(self) -> None:
        assert self._socket is not None
        for _ in range(AT_ONCE):
            try:
                client, _ = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as e:
                if e.errno in _EXHAUSTED:
                    self._pause(e)
                    return
                continue  # the client has gone already
            if descriptors.is_last(client.fileno()):
                client.close()
                self._scarce()
            else:
                self._begin(client)

    def _pause(self, error: OSError) -> None:
        """Stop accepting for RETRY_S: the socket stays readable, so the loop would spin."""
        _log.warning(
            "cannot accept %s: %s; trying again in %g s", self._clients, error.strerror, RETRY_S
        )
        assert self._socket is not None
        self._loop.remove_reader(self._socket)
        self._retry = self._loop.call_later(
            RETRY_S, self._loop.add_reader, self._socket, self._accept
        )

    def _scarce(self) -> None:
        """Log a warning once in SILENT_S: otherwise a client could fill the log."""
        now = self._loop.time()
        if now >= self._silent_until:
            self._silent_until = now + SILENT_S
            _log.warning(
                "one of the %s was dropped: of the daemon's %d descriptors the last are kept"
                " for pods; raise its limit of open files (LimitNOFILE=)",
                self._clients,
                descriptors.limit(),
            )

    def _begin(self, client: socket.socket) -> None:
        if len(self._arriving) >= MAX_ARRIVING:
            oldest = next(iter(self._arriving))
            del self._arriving[oldest]
            oldest.cancel()
        task = self._loop.create_task(self._arrive(client), name="a client")
        self._arriving[task] = None
        task.add_done_callback(self._arrived)

    async def _arrive(self, client: socket.socket) -> None:
        limit = None if self.context is None else HANDSHAKE_S
        # A failed handshake is the client's problem; it is not logged.
        with contextlib.suppress(OSError):
            await self._loop.connect_accepted_socket(
                self._make, client, ssl=self.context, ssl_handshake_timeout=limit
            )

    def _arrived(self, task: "asyncio.Task[None]") -> None:
        self._arriving.pop(task, None)
