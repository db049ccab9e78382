"""The socket of one plugin: both directions of calls over one stream.

The runtime calls the plugin with `call`. Calls of the plugin are handed to `serve`. The link ends
for good at the end of the socket, at bytes that are not the protocol, or when the plugin does not
read what it is sent.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence

from google.protobuf.message import DecodeError, Message

from cri_shim.aio.tasks import Tasks
from cri_shim.errors import CriShimError
from cri_shim.untrusted import printable
from cri_shim.wire import nri_mux, ttrpc

SERVICE = "nri.pkg.api.v1alpha1.Plugin"
MAX_CALLS = 16  # of a plugin that wait for an answer
_CHUNK = 16 * 1024  # bytes of a read: a flood of the smallest frames takes some milliseconds
_MOST_UNSENT = 16 << 20  # bytes that wait for the plugin to read; a call has at most 4 MiB
_UNKNOWN, _UNIMPLEMENTED = 2, 12  # codes of gRPC

Serve = Callable[[ttrpc.Call], Awaitable[bytes]]

_log = logging.getLogger(__name__)


class LinkEnded(CriShimError):
    """The plugin cannot be called any more."""


class Refused(CriShimError):
    """The plugin answered a call with an error; `code` is a code of gRPC."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Link:
    def __init__(self, connection: socket.socket, serve: Serve) -> None:
        """Own the connected socket from now on; `serve` answers calls or raises CriShimError."""
        connection.setblocking(False)
        self._socket = connection
        self._serve = serve
        self._client = ttrpc.Client()
        self._server = ttrpc.Server(MAX_CALLS)
        self._waiting: dict[int, asyncio.Future[ttrpc.Answer]] = {}
        self._unsent = bytearray()
        self._more = asyncio.Event()
        self._serving = Tasks()
        self.why = ""  # why the link has ended; "" while it has not
        self.ended = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def open(self, name: str) -> None:
        """Begin to read and write; `name` is for the names of tasks."""
        self._tasks = [
            asyncio.create_task(self._read(), name=f"read from NRI plugin {name}"),
            asyncio.create_task(self._write(), name=f"write to NRI plugin {name}"),
        ]

    async def call(self, method: str, request: Message, answer: Message, limit: float) -> None:
        """Call the plugin and parse its answer into `answer`.

        TimeoutError after `limit` seconds; LinkEnded; Refused; ttrpc's TooLarge for a request that
        does not fit, of which nothing is sent.
        """
        if self.why:
            raise LinkEnded(self.why)
        payload = request.SerializeToString()
        stream = self._client.call(SERVICE, method, payload, int(limit * 1e9))
        waiter = self._waiting[stream] = asyncio.get_running_loop().create_future()
        self._send(nri_mux.PLUGIN, self._client.outgoing())
        try:
            async with asyncio.timeout(limit):
                got = await waiter
        finally:
            self._waiting.pop(stream, None)
            self._client.forget(stream)
        if got.code:
            raise Refused(got.code, printable(got.message))
        try:
            answer.ParseFromString(got.payload)
        except DecodeError as e:
            self._end(f"its answer to {method} is not a message of NRI")
            raise LinkEnded(self.why) from e

    async def close(self) -> None:
        """End the link, and return when none of its tasks is left."""
        self._end("the runtime ended the connection")
        me = asyncio.current_task()
        others = [task for task in (*self._tasks, *self._serving) if task is not me]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._socket.close()

    def _end(self, why: str) -> None:
        if self.why:
            return
        self.why = why
        self.ended.set()
        self._more.set()
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(LinkEnded(why))

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        splitter = nri_mux.Splitter((nri_mux.PLUGIN, nri_mux.RUNTIME))
        try:
            while data := await loop.sock_recv(self._socket, _CHUNK):
                for connection, piece in splitter.receive(data):
                    self._take(connection, piece)
                await asyncio.sleep(0)  # data that waits already is read without a pause
            self._end("it closed the connection")
        except OSError as e:
            self._end(f"the connection to it broke: {e.strerror}")
        except (nri_mux.BadFrame, ttrpc.BadFrame) as e:
            self._end(f"it does not speak the protocol: {e}")

    def _take(self, connection: int, piece: memoryview) -> None:
        if connection == nri_mux.PLUGIN:
            for answer in self._client.receive(piece):
                waiter = self._waiting.get(answer.stream)
                if waiter is not None and not waiter.done():
                    waiter.set_result(answer)
            return
        for call in self._server.receive(piece):
            self._serving.spawn(f"serve {call.method} of an NRI plugin", self._answer(call))
        self._send(nri_mux.RUNTIME, self._server.outgoing())

    async def _answer(self, call: ttrpc.Call) -> None:
        try:
            self._server.answer(call.stream, await self._serve(call))
        except NotImplementedError as e:
            self._server.refuse(call.stream, _UNIMPLEMENTED, str(e))
        except CriShimError as e:
            self._server.refuse(call.stream, _UNKNOWN, str(e))
        self._send(nri_mux.RUNTIME, self._server.outgoing())

    def _send(self, connection: int, frames: Sequence[bytes]) -> None:
        if len(self._unsent) > _MOST_UNSENT:
            self._end("it does not read what it is sent")
        if self.why:
            return
        for frame in frames:
            self._unsent += nri_mux.frames(connection, frame)
        self._more.set()

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not self.why:
                await self._more.wait()
                self._more.clear()
                data, self._unsent = self._unsent, bytearray()
                await loop.sock_sendall(self._socket, data)
        except OSError as e:
            self._end(f"the connection to it broke: {e.strerror}")
