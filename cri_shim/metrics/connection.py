"""One HTTP/1.1 request of one scraper: read by h11, answered, closed.

The head is limited in size and in time, so is the reading of the answer. A body is not read.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

import h11

HEAD_LIMIT = 8 << 10  # bytes of a request's head; Prometheus sends 300
HEAD_S = 5.0  # for the whole request
ANSWER_S = 10.0  # for the scraper to read the answer
PATH = "/metrics"

_TEXT = "text/plain; charset=utf-8"

_log = logging.getLogger(__name__)

OK, REFUSED, TIMEOUT = "ok", "refused", "timeout"


class Owner(Protocol):
    """The owner of the connections."""

    def opened(self, connection: "Connection") -> None:
        """A client has connected."""

    def closed(self, connection: "Connection") -> None:
        """The connection has ended."""

    def count(self, result: str) -> None:
        """A connection has ended so: OK, REFUSED or TIMEOUT."""


Page = Callable[[], Coroutine[Any, Any, bytes]]


class Connection(asyncio.Protocol):
    """`page` makes the text that is answered; `content_type` is its type."""

    def __init__(self, owner: Owner, page: Page, content_type: str) -> None:
        self._owner, self._page, self._content_type = owner, page, content_type
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._limit(HEAD_S)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._answering is not None:
            return
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, "this is no HTTP request")
            return
        if isinstance(event, h11.Request):
            self._request(event)
        elif event is not h11.NEED_DATA:
            self._refuse(400, "this is no HTTP request")

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._answering is not None:
            self._answering.cancel()
        self._owner.closed(self)

    def abort(self) -> None:
        """Close at once, without an answer."""
        self._transport.abort()

    def _request(self, request: h11.Request) -> None:
        path = request.target.partition(b"?")[0]
        if request.method not in (b"GET", b"HEAD"):
            self._refuse(405, "only GET")
        elif path != PATH.encode():
            self._refuse(404, f"the metrics are at {PATH}")
        else:
            head_only = request.method == b"HEAD"
            self._answering = self._loop.create_task(self._answer(head_only), name="scrape")

    async def _answer(self, head_only: bool) -> None:
        self._limit(ANSWER_S)
        try:
            body = await self._page()
        except Exception as e:  # a bug of the page: the scraper must not wait for the time-out
            _log.exception("the page of metrics failed")
            self._send(500, f"{type(e).__name__}\n".encode(), _TEXT)
            return
        self._owner.count(OK)
        self._send(200, body, self._content_type, head_only)

    def _refuse(self, status: int, text: str) -> None:
        self._owner.count(REFUSED)
        self._limit(ANSWER_S)
        self._send(status, f"{text}\n".encode(), _TEXT)

    def _send(self, status: int, body: bytes, content_type: str, head_only: bool = False) -> None:
        headers = (
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Bad Request')}\r\n"
            f"Content-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        self._transport.write(headers.encode() + (b"" if head_only else body))
        self._transport.close()  # after the output; the timer ends a scraper that does not read

    def _limit(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._owner.count(TIMEOUT)
        self.abort()


_REASONS = {
    200: "OK",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
}
