"""A gRPC server on a unix socket, started again if it ends by itself.

grpcio decodes the path of every request in the loop that accepts them (_server_main_loop). A path
that is not UTF-8 ends that loop, and with it the server. Running calls continue to their end.
A moment later a new server on the same socket accepts new calls.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc.aio

SOCKET_MODE = 0o660  # a client of this socket can become root on this node
RETRY_S = 1.0  # after a failure to make the socket again
GONE_S = 2.0  # for the ended server to remove its socket, which it does by name
_STEP_S = 0.01
_ACCEPTING, _ENDING = "AioServer._server_main_loop", "AioServer.shutdown"

_log = logging.getLogger(__name__)


class Listening:
    """`make` makes a server with its handlers. Call `open` and `close` once each."""

    def __init__(self, path: Path, make: Callable[[], grpc.aio.Server]) -> None:
        self._path = path
        self._make = make
        self.restarts = 0
        self._servers: list[grpc.aio.Server] = []  # the last accepts, the others finish calls
        self._closing = False
        self._restart: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start to serve. OSError or RuntimeError if the address cannot be bound."""
        umask = os.umask(0o117)  # the socket must not be open to others for even a moment
        try:
            await self._open()
        finally:
            os.umask(umask)

    async def _open(self) -> None:
        server = self._make()
        server.add_insecure_port(f"unix:{self._path}")
        before = asyncio.all_tasks()
        await server.start()
        self._servers.append(server)
        self._path.chmod(SOCKET_MODE)
        for task in asyncio.all_tasks() - before:
            if _is(task, _ACCEPTING):
                task.add_done_callback(self._ended)

    async def close(self, grace: float) -> None:
        """Stop accepting, and give running calls `grace` seconds."""
        self._closing = True
        if self._restart is not None:
            self._restart.cancel()
            await asyncio.gather(self._restart, return_exceptions=True)
        await asyncio.gather(*(_stop(server, grace) for server in self._servers))
        self._path.unlink(missing_ok=True)

    def _ended(self, accepting: "asyncio.Task[Any]") -> None:
        if self._closing or accepting.cancelled() or (error := accepting.exception()) is None:
            return
        _log.error("the server of the CRI ended at a request (%s); it is made again", error)
        self.restarts += 1
        for task in asyncio.all_tasks():
            if _is(task, _ENDING):
                task.add_done_callback(lambda ending: ending.cancelled() or ending.exception())
        self._restart = asyncio.create_task(self._open_again(), name="serve again")

    async def _open_again(self) -> None:
        left = GONE_S
        while self._path.exists() and left > 0:  # otherwise the old server removes the new socket
            await asyncio.sleep(_STEP_S)
            left -= _STEP_S
        while True:
            try:
                self._path.unlink(missing_ok=True)
                await self._open()  # does not set the umask: other code makes files meanwhile
            except (OSError, RuntimeError) as e:
                _log.error("cannot serve on %s: %s; trying again", self._path, e)
                await asyncio.sleep(RETRY_S)
            else:
                return


async def _stop(server: grpc.aio.Server, grace: float) -> None:
    try:
        await server.stop(grace)
    except UnicodeDecodeError:  # it has just ended by itself: a second stop waits for running calls
        await server.stop(grace)


def _is(task: "asyncio.Task[Any]", function: str) -> bool:
    return getattr(task.get_coro(), "__qualname__", "") == function
