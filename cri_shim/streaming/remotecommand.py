"""An exec or attach session, for every transport of the client.

    Peer (SPDY streams or WebSocket channels) -> RemoteCommand -> InteractiveSession

Only the client's input from before the start of the command is queued here. Unread input throttles
the client's connection; a client that does not read pauses the InteractiveSession.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from cri_shim.activity.error_names import naming_objects
from cri_shim.aio.offload import finish
from cri_shim.containers.interactive import InteractiveSession
from cri_shim.errors import CriShimError
from cri_shim.oci.command import OutputHandler
from cri_shim.streaming.resources import Resources
from cri_shim.wire.remotecommand import Outcome, ResizeDecoder, Stream

CREATION_S = 30.0  # for the client to open all streams of its request
INPUT_HIGH = 1 << 18  # bytes of unread input after which the client is throttled

Begin = Callable[[OutputHandler], Awaitable[InteractiveSession]]

_log = logging.getLogger(__name__)


class Peer(Protocol):
    """The client's side of a session."""

    def output(self, kind: Stream, data: bytes) -> None:
        """Send bytes on the stream `kind`."""

    def backlog(self) -> int:
        """Return the number of output bytes that the client has not read."""

    def throttle(self, on: bool) -> None:
        """Stop reading from the client (`on`), or read again."""

    def finish(self, outcome: Outcome) -> None:
        """Send the outcome after all output, and end."""


class RemoteCommand:
    """`begin` starts the session. Call `start` when the client has opened its streams."""

    def __init__(self, begin: Begin, peer: Peer, resources: Resources) -> None:
        self._begin = begin
        self._peer = peer
        self._spawn, self._named = resources.spawn, resources.named
        self._finished = resources.finished
        self._waiting = resources.input.share(INPUT_HIGH, peer.throttle)
        self._task: asyncio.Task[None] | None = None
        self._session: InteractiveSession | None = None
        self._early = bytearray()
        self._input_ended = False
        self._size: tuple[int, int] | None = None
        self._resizes = ResizeDecoder()
        self._paused = False
        self._gone = False
        self._reason = ""

    def start(self) -> None:
        self._task = self._spawn("remote command", self._run())

    # -- from the client ----------------------------------------------------------------------

    def stdin(self, data: memoryview | bytes) -> None:
        if self._session is None:
            self._early += data
            waiting = len(self._early)
        else:
            waiting = self._session.feed(data)
        if not self._gone:
            self._waiting.hold(waiting)

    def stdin_end(self) -> None:
        self._input_ended = True
        if self._session is not None:
            self._session.feed_end()

    def resize(self, data: memoryview | bytes) -> None:
        """Resize the terminal. Only the last of several sizes is used."""
        if sizes := self._resizes.feed(data):
            self._size = sizes[-1].width, sizes[-1].height
            if self._session is not None:
                self._session.resize(*self._size)

    def pause(self) -> None:
        self._paused = True
        if self._session is not None:
            self._session.pause()

    def resume(self) -> None:
        self._paused = False
        if self._session is not None:
            self._session.resume()

    def gone(self) -> None:
        """The client has disconnected: end its command."""
        self._gone = True
        self._waiting.hold(0)
        if self._task is not None:
            self._task.cancel()

    def end(self, reason: str) -> None:
        """End the session because the daemon wants it, for `reason`."""
        self._reason = reason
        if self._task is not None and not self._task.done():
            self._task.cancel()
        else:
            self._peer.finish(Outcome(error=reason))

    # -- the session --------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            with naming_objects(self._named):
                outcome = await self._converse()
        except CriShimError as e:
            outcome = Outcome(error=str(e), kind=type(e).__name__)
        except asyncio.CancelledError:
            if self._gone:
                return
            outcome = Outcome(error=self._reason or "the session was ended")
        except Exception as e:
            _log.exception("a streaming session met a bug")
            outcome = Outcome(error=f"{type(e).__name__}: {e}")
        if not self._gone:
            self._finished(outcome)
            self._peer.finish(outcome)

    async def _converse(self) -> Outcome:
        handler = OutputHandler(self._output, self._drained, self._peer.backlog)
        session = await self._begin(handler)
        try:
            self._join(session)
            return Outcome(exit_code=await session.wait() or 0)
        finally:
            self._session = None
            await finish(session.close())

    def _join(self, session: InteractiveSession) -> None:
        """Apply what the client has sent before the command started."""
        self._session = session
        if self._size is not None:
            session.resize(*self._size)
        if self._paused:
            session.pause()
        early, self._early = bytes(self._early), bytearray()
        self._waiting.hold(session.feed(early) if early else 0)
        if self._input_ended:
            session.feed_end()

    def _output(self, number: int, data: bytes) -> None:
        if not self._gone:
            self._peer.output(Stream(number), data)

    def _drained(self) -> None:
        self._waiting.hold(0)
