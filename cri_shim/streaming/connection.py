"""A client's connection from accept to end: an HTTP request, then whatever it was upgraded to.

    request (HEAD_S, HEAD_LIMIT) -> refused: answer, close
                                 -> agreed: 101, then bytes belong to a Session
    session                      -> close: what was written arrives, then lingering, then gone
                                 -> idle, end of file or a lost connection: gone

Until a request is whole it costs one timer and a small buffer, so one that comes slowly, or never,
or is none at all, is nobody's problem but its own.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import cast

import h11

from cri_shim.streaming.hangup import Hangup
from cri_shim.streaming.link import Buffer, Link, Session
from cri_shim.streaming.upgrade import Agreed, Refused

HEAD_S = 10.0  # for the whole request; clients send it at once
HEAD_LIMIT = 32 << 10  # bytes of a request's head
LINGER_S = 1.0  # for the client to close, after we have: unread input would cut our last output
FLUSH_S = 30.0  # for the client to take what was written before the close
FLOOD = 32 << 20  # bytes that wait for a client which pauses nothing: then it is dropped
_WRITE_HIGH = 1 << 18  # bytes that pile up before a session is told to pause

# What a request leads to: a refusal, or what was agreed and how to make the session.
Opener = Callable[[Link], Session]
Answer = Refused | tuple[Agreed, Opener]

_log = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """`answer` decides about a request.

    `opened` is called once the client can send one, `closed` when nothing is left of it.
    """

    def __init__(
        self,
        opened: Callable[["Connection"], None],
        answer: Callable[[h11.Request], Answer],
        closed: Callable[["Connection"], None],
        idle: float,
    ) -> None:
        self._opened = opened
        self._answer = answer
        self._closed = closed
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._http: h11.Connection | None = h11.Connection(
            h11.SERVER, max_incomplete_event_size=HEAD_LIMIT
        )
        self._session: Session | None = None
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._used = self._loop.time()
        self._closing = False
        self._hangup: Hangup | None = None

    @property
    def upgraded(self) -> bool:
        return self._session is not None

    # -- the transport's side -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_HIGH)
        self._timer = self._loop.call_later(HEAD_S, self._too_slow)
        self._opened(self)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._used = self._loop.time()
        if self._session is not None:
            self._session.received(data)
        elif self._http is not None:
            self._request(self._http, data)

    def eof_received(self) -> bool:
        return False  # the clients never half-close: who sends no more has gone

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._watch_hangup(False)
        if self._session is not None:
            self._session.gone()
        self._closed(self)

    def pause_writing(self) -> None:
        if self._session is not None and not self._closing:
            self._session.pause()

    def resume_writing(self) -> None:
        self._used = self._loop.time()
        if self._session is not None and not self._closing:
            self._session.resume()

    # -- the request --------------------------------------------------------------------------

    def _request(self, http: h11.Connection, data: bytes) -> None:
        try:
            http.receive_data(data)
            event = http.next_event()
            if event is h11.NEED_DATA:
                return
        except h11.RemoteProtocolError as error:
            self._refuse(Refused(error.error_status_hint, str(error)))
            return
        if not isinstance(event, h11.Request):
            self.abort()
            return
        answer = self._answer(event)
        if isinstance(answer, Refused):
            self._refuse(answer)
            return
        self._become(http, *answer)

    def _refuse(self, refused: Refused) -> None:
        """Answer with a status and close."""
        self._http = None
        body = (refused.text + "\n").encode()
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            *refused.headers,
        ]
        # A fresh state machine: the one that met the error refuses to go on.
        http = h11.Connection(h11.SERVER)
        status = h11.Response(status_code=refused.status, headers=headers)
        parts = (http.send(event) for event in (status, h11.Data(data=body), h11.EndOfMessage()))
        self._transport.write(b"".join(part for part in parts if part))
        self.close()

    def _become(self, http: h11.Connection, agreed: Agreed, opener: Opener) -> None:
        try:
            event = http.next_event()
            while event is not h11.PAUSED:
                if not isinstance(event, h11.EndOfMessage):
                    self._refuse(Refused(400, "an upgrade has no body"))
                    return
                event = http.next_event()
            switch = h11.InformationalResponse(
                status_code=101, reason=b"Switching Protocols", headers=list(agreed.headers)
            )
            head = http.send(switch)
        except h11.ProtocolError as error:
            self._refuse(Refused(400, str(error)))
            return
        self._http = None
        if self._timer is not None:
            self._timer.cancel()
        self._transport.write(head or b"")
        self._timer = self._loop.call_later(self._idle, self._look_idle)
        self._session = opener(self)
        if trailing := http.trailing_data[0]:
            self._session.received(trailing)

    def _too_slow(self) -> None:
        self._refuse(Refused(408, f"no whole request within {HEAD_S:g} s"))

    # -- the session's side: Link -------------------------------------------------------------

    def write(self, pieces: Sequence[Buffer]) -> None:
        if self._closing:
            return
        self._used = self._loop.time()
        # Not writelines: that of Python 3.12.0 to 3.12.8 and 3.13.0 to 3.13.1 never pauses anybody.
        self._transport.write(b"".join(pieces))
        if self.backlog() > FLOOD:  # replies to a client that asks and does not read
            self.abort()

    def backlog(self) -> int:
        return self._transport.get_write_buffer_size()

    def throttle(self, on: bool) -> None:
        if self._transport.is_closing() or self._closing:
            return
        if on:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
        self._watch_hangup(on)

    def close(self) -> None:
        """Flush, say that nothing more comes, and read on until the client has closed too."""
        if self._closing:
            return
        self._closing = True
        self._watch_hangup(False)
        if self._timer is not None:
            self._timer.cancel()
        self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:  # TLS has no half-close: its own shutdown waits for the client
            self._transport.close()
        self._timer = self._loop.call_later(LINGER_S, self._linger, self._loop.time() + FLUSH_S)

    def abort(self) -> None:
        self._closing = True
        self._transport.abort()

    def _linger(self, deadline: float) -> None:
        """The client may take its time to read what is left, but not for ever."""
        if self.backlog() and self._loop.time() < deadline:
            self._timer = self._loop.call_later(LINGER_S, self._linger, deadline)
        else:
            self._transport.abort()

    def _look_idle(self) -> None:
        left = self._used + self._idle - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look_idle)
        elif self._session is not None:
            self._session.end(f"nothing was said for {self._idle:g} seconds")

    def _watch_hangup(self, on: bool) -> None:
        """While nothing is read, the end of file is not seen either: it is asked for otherwise."""
        if self._hangup is not None:
            self._hangup.close()
            self._hangup = None
        if on:
            sock = self._transport.get_extra_info("socket")
            self._hangup = Hangup(sock.fileno(), self._transport.abort)

    def end(self, reason: str) -> None:
        """The server ends: sessions say why, unfinished requests are dropped."""
        if self._session is not None and not self._closing:
            self._session.end(reason)
        else:
            self.abort()
