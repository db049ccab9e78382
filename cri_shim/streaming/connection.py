"""A client's connection from accept to end: an HTTP request, then the protocol of its upgrade.

    request (head, HEAD_S) -> refused: answer, close
                           -> agreed: 101, then bytes belong to a Session
    session                -> close: flush the output, linger, then gone
                           -> idle, end of file or a lost connection: gone

An incomplete request costs one timer and a small buffer, so a request that is slow, never completed
or malformed does not harm other clients.

Sessions handle their input in turns, TURN frames at a time (aio/rounds). The connection reads
nothing more from a client while frames of it wait, or while its session is throttled.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import h11

from cri_shim.aio.rounds import Rounds
from cri_shim.streaming.hangup import Hangup
from cri_shim.streaming.head import Head, refusal
from cri_shim.streaming.link import Buffer, Link, Session
from cri_shim.streaming.memory import Pool
from cri_shim.streaming.upgrade import Agreed, Refusal

HEAD_S = 10.0  # for the whole request; clients send it at once
LINGER_S = 1.0  # for the client to close first: unread input would cut off the last output
FLUSH_S = 30.0  # for the client to read the output written before the close
TURN = 16  # frames of a client that are handled at once; each takes 5 to 100 us, most of them 15
FLOOD = 32 << 20  # unread bytes of output after which a client is dropped
FAIR_OUTPUT = 1 << 20  # the same while the output of all clients together is above its limit
_WRITE_HIGH = 1 << 18  # unsent bytes after which the session is paused

# The answer to a request: a refusal, or the agreed upgrade and the function that opens the session.
Opener = Callable[[Link], Session]
Answer = Refusal | tuple[Agreed, Opener]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Shared:
    """What connections share: `idle` is the limit of silence of a session in seconds.

    A reload changes `idle`; each session sees the new limit when it is next checked.
    """

    idle: float
    rounds: Rounds
    output: Pool


class Owner(Protocol):
    """The owner of the connections: the server."""

    def opened(self, connection: "ClientConnection") -> None:
        """A client has connected."""

    def answer(self, connection: "ClientConnection", request: h11.Request) -> Answer:
        """Decide how to answer a request."""

    def closed(self, connection: "ClientConnection") -> None:
        """The connection has ended."""


class ClientConnection(asyncio.Protocol):
    """One client of `owner`."""

    def __init__(self, owner: "Owner", shared: Shared) -> None:
        self._owner = owner
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._head: Head | None = Head()
        self._session: Session | None = None
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._used = self._loop.time()
        self._closing = False
        self._hangup: Hangup | None = None
        self._throttled = False  # the session takes no more input
        self._busy = False  # received frames wait for their turn
        self._stopped = False  # reading is paused, for either reason
        self._write_paused = False  # output waits for the client
        self._unread = shared.output.share(FLOOD)

    # -- the transport's side -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_HIGH)
        self._timer = self._loop.call_later(HEAD_S, self._too_slow)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._used = self._loop.time()
        if self._session is not None:
            self._receive(self._session, data)
        elif self._head is not None:
            self._request(self._head, data)

    def eof_received(self) -> bool:
        return False  # clients never half-close: the end of file means that the client has gone

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True  # discard what the session still writes
        if self._timer is not None:
            self._timer.cancel()
        self._watch_hangup(False)
        self._unread.hold(0)
        if self._session is not None:
            self._session.gone()
        self._owner.closed(self)

    def pause_writing(self) -> None:
        self._write_paused = True
        if self._session is not None and not self._closing:
            self._session.pause()

    def resume_writing(self) -> None:
        self._write_paused = False
        self._unread.hold(0)
        self._used = self._loop.time()
        if self._session is not None and not self._closing:
            self._session.resume()

    # -- the request --------------------------------------------------------------------------

    def _request(self, head: Head, data: bytes) -> None:
        found = head.receive(data)
        if found is None:
            return
        answer = found if isinstance(found, Refusal) else self._owner.answer(self, found)
        if isinstance(answer, Refusal):
            self._refuse(answer)
            return
        agreed, opener = answer
        switch = head.switch(agreed)
        if isinstance(switch, Refusal):
            self._refuse(switch)
            return
        self._head = None
        if self._timer is not None:
            self._timer.cancel()
        self._transport.write(switch)
        self._timer = self._loop.call_later(self._shared.idle, self._check_idle)
        self._session = opener(self)
        if head.trailing:
            self._receive(self._session, head.trailing)

    def _refuse(self, refused: Refusal) -> None:
        """Answer with a status and close."""
        self._head = None
        self._transport.write(refusal(refused))
        self.close()

    def _too_slow(self) -> None:
        self._refuse(Refusal(408, f"no whole request within {HEAD_S:g} s"))

    # -- input --------------------------------------------------------------------------------

    def _receive(self, session: Session, data: bytes) -> None:
        session.received(data)
        self._busy = True
        self._shared.rounds.add(self._work)
        if self._busy:
            self._update_reading()

    def _work(self) -> bool:
        """Give the session one turn; return whether it needs another one."""
        if self._session is None or self._closing or self._transport.is_closing():
            return False
        try:
            more = self._session.work(TURN) >= TURN
        except Exception:
            _log.exception("a streaming session met a bug")
            self.abort()
            return False
        if not more:
            self._busy = False
            if self._stopped:
                self._update_reading()
        return more

    def _update_reading(self) -> None:
        if self._transport.is_closing() or self._closing:
            return
        self._stopped = self._throttled or self._busy
        if self._stopped:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # -- the session's side: Link -------------------------------------------------------------

    def write(self, pieces: Sequence[Buffer]) -> None:
        if self._closing:
            return
        self._used = self._loop.time()
        # Not writelines: those of Python 3.12.0 to 3.12.8 and 3.13.0 to 3.13.1 never pause us.
        self._transport.write(b"".join(pieces))
        if self._write_paused:
            self._check_unread()

    def _check_unread(self) -> None:
        """Drop a client that sends requests but does not read, or does not read attached output."""
        backlog = self.backlog()
        self._unread.hold(backlog)
        if backlog > (FAIR_OUTPUT if self._shared.output.tight else FLOOD):
            self.abort()

    def quiet(self) -> float:
        return self._loop.time() - self._used

    def backlog(self) -> int:
        return self._transport.get_write_buffer_size()

    def throttle(self, on: bool) -> None:
        if self._transport.is_closing() or self._closing:
            return
        self._throttled = on
        self._update_reading()
        self._watch_hangup(on)

    def close(self) -> None:
        """Flush, half-close, and keep reading until the client closes too."""
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
        """Wait for the client to read the rest of the output, until `deadline`."""
        if self.backlog() and self._loop.time() < deadline:
            self._timer = self._loop.call_later(LINGER_S, self._linger, deadline)
        else:
            self._transport.abort()

    def _check_idle(self) -> None:
        left = self._used + self._shared.idle - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_idle)
        elif self._session is not None:
            self._session.end(f"nothing was said for {self._shared.idle:g} seconds")

    def _watch_hangup(self, on: bool) -> None:
        """Watch for the end of file in another way while reading is paused."""
        if self._hangup is not None:
            self._hangup.close()
            self._hangup = None
        if on:
            sock = self._transport.get_extra_info("socket")
            self._hangup = Hangup(sock.fileno(), self._transport.abort)

    def end(self, reason: str) -> None:
        """End at shutdown: a session sends the reason, an incomplete request is dropped."""
        if self._session is not None and not self._closing:
            self._session.end(reason)
        else:
            self.abort()
