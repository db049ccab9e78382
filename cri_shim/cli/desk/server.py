"""HTTP/1.1 on the loopback: three files, and a stream of server-sent events.

Each connection has one request. What the page shows is asked of the daemon once for all pages, and
only while one is open.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import resources
from typing import Any

from cri_shim.cli.desk.guard import SECURITY, Guard
from cri_shim.streaming.head import Head, refusal
from cri_shim.streaming.upgrade import Refusal

MOST_CONNECTIONS = 32  # a browser opens six at a time for one page
HEAD_S = 10.0  # for a request to arrive
STEP_S = 2.0  # between two questions to the daemon
SEND_S = 30.0  # for a page to take an event; a tab that sleeps longer connects again
EVENTS = "events"
FILES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
}

Ask = Callable[[], Awaitable[dict[str, Any]]]


class Desk:
    """Serves the page until it is closed; `ask` returns what it shows."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._connections: set[asyncio.Task[None]] = set()
        self._news = asyncio.Condition()
        self._event, self._number = b"", 0
        self._readers = 0
        self._asking: asyncio.Task[None] | None = None

    async def start(self, port: int) -> str:
        """Listen on the loopback, at a free port if it is 0; return the URL. OSError."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        port = self._server.sockets[0].getsockname()[1]
        self.guard = Guard(port, [*FILES, EVENTS])
        return self.guard.url

    async def close(self) -> None:
        """Stop listening, and end the connections."""
        self._server.close()
        tasks = [*self._connections, *([self._asking] if self._asking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connection(reader, writer), name="a page")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
            await writer.drain()
        except (OSError, TimeoutError):
            pass  # the browser has gone
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEAD_S):
            name = await self._request(reader)
        if len(self._connections) > MOST_CONNECTIONS:
            name = Refusal(503, "too many connections: close other pages")
        if isinstance(name, Refusal):
            writer.write(refusal(name))
        elif name == EVENTS:
            await self._stream(reader, writer)
        else:
            file, kind = FILES[name]
            body = resources.files("cri_shim.cli.desk").joinpath(file).read_bytes()
            writer.write(_head(kind, len(body)) + body)

    async def _request(self, reader: asyncio.StreamReader) -> str | Refusal:
        head = Head()
        while data := await reader.read(4096):
            request = head.receive(data)
            if isinstance(request, Refusal):
                return request
            if request is not None:
                return self.guard.answer(request.method, request.target, request.headers)
        return Refusal(400, "no request")

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send each event until the page is closed."""
        writer.write(_head("text/event-stream"))
        self._readers += 1
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._follow(), name="ask the daemon")
        gone = asyncio.create_task(reader.read(1), name="end of a page")
        sending = asyncio.create_task(self._send(writer), name="events of a page")
        try:
            await asyncio.wait([gone, sending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._readers -= 1
            for task in (gone, sending):
                task.cancel()
            await asyncio.gather(gone, sending, return_exceptions=True)

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        seen = 0
        while True:
            async with self._news:
                while self._number == seen:
                    await self._news.wait()
            seen = self._number
            writer.write(self._event)
            async with asyncio.timeout(SEND_S):
                await writer.drain()

    async def _follow(self) -> None:
        """Ask the daemon while a page is open."""
        while self._readers:
            facts = json.dumps(await self._ask(), separators=(",", ":"))
            self._event = f"event: facts\ndata: {facts}\n\n".encode()
            self._number += 1
            async with self._news:
                self._news.notify_all()
            await asyncio.sleep(STEP_S)


def _head(kind: str, length: int | None = None) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {kind}", "Connection: close"]
    lines += [] if length is None else [f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in SECURITY]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
