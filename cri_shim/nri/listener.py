"""The socket on which plugins connect that the daemon has not started."""

import asyncio
import errno
import logging
import socket
from pathlib import Path

from cri_shim.aio.tasks import Tasks
from cri_shim.errors import CriShimError, Unavailable
from cri_shim.linux import unix_socket
from cri_shim.linux.privacy import make_private
from cri_shim.nri.plugins import Plugins

_BACKLOG = 16
_PAUSE_S = 1.0  # after a failed accept: no descriptor may be free

_log = logging.getLogger(__name__)


class Listener:
    def __init__(self, path: Path, plugins: Plugins) -> None:
        self._path = path
        self._plugins = plugins
        self._joins = Tasks()
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Make the socket, only for root, and accept plugins. Unavailable if it cannot be made."""
        try:
            if not self._path.parent.exists():
                make_private(self._path.parent)
            self._clear()
            found = unix_socket.bound(self._path, 0o600)
        except OSError as e:
            raise Unavailable(f"the NRI socket {self._path} cannot be made: {e.strerror}") from e
        found.listen(_BACKLOG)
        found.setblocking(False)
        self._socket = found
        self._accepting = asyncio.create_task(self._accept(found), name="NRI plugins")

    def _clear(self) -> None:
        """Remove the socket of a daemon that has ended; OSError for anything else."""
        found = unix_socket.occupant(self._path)
        if found == "file":
            raise OSError(errno.ENOTSOCK, "what is there is not a socket")
        if found:
            raise OSError(errno.EADDRINUSE, "another program listens there; set nri.socket")

    async def close(self) -> None:
        """Accept no more plugins, and remove the socket."""
        if self._socket is None or self._accepting is None:
            return
        self._accepting.cancel()
        await asyncio.gather(self._accepting, return_exceptions=True)
        self._socket.close()
        self._path.unlink(missing_ok=True)
        await self._joins.drain()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError as e:
                _log.warning("cannot accept an NRI plugin: %s", e.strerror)
                await asyncio.sleep(_PAUSE_S)
                continue
            self._joins.spawn("an NRI plugin joins", self._join(connection))

    async def _join(self, connection: socket.socket) -> None:
        try:
            await self._plugins.join(connection)
        except CriShimError as e:
            _log.warning("%s", e)
