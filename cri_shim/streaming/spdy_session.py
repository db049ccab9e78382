"""Exec and attach over SPDY: each stream of the command is a SPDY stream that the client opens."""

import asyncio

from cri_shim.oci.command import Streams
from cri_shim.streaming.flood import REASON, FloodLimit
from cri_shim.streaming.link import Link
from cri_shim.streaming.remotecommand import CREATION_S, Begin, RemoteCommand
from cri_shim.streaming.resources import Resources
from cri_shim.wire import remotecommand as wire
from cri_shim.wire.remotecommand import Outcome, Stream, StreamSet
from cri_shim.wire.spdy import (
    Connection,
    DataReceived,
    Goaway,
    ProtocolError,
    Reset,
    Role,
    StreamOpened,
    StreamReset,
)


class SpdyCommand:
    """The Session of its connection and the Peer of its RemoteCommand."""

    def __init__(
        self, link: Link, protocol: str, streams: Streams, begin: Begin, resources: Resources
    ) -> None:
        self._link = link
        self._protocol = protocol
        self._spdy = Connection(Role.SERVER)
        self._set = StreamSet(
            wire.expected_streams(
                protocol,
                stdin=streams.stdin,
                stdout=streams.stdout,
                stderr=streams.stderr,
                tty=streams.tty,
            )
        )
        self._kinds: dict[int, Stream | None] = {}
        self._resources = resources
        self._command = RemoteCommand(begin, self, resources)
        self._started = False
        self._finished = False
        loop = asyncio.get_running_loop()
        self._flood = FloodLimit(loop.time)
        self._timer = loop.call_later(CREATION_S, self._too_late)

    # -- from the client: Session -------------------------------------------------------------

    def received(self, data: bytes | bytearray) -> None:
        self._spdy.feed(data)

    def work(self, frames: int) -> int:
        before, idle_before = self._spdy.frames, self._spdy.idle_frames
        for event in self._spdy.take(frames):
            match event:
                case DataReceived():
                    self._data(event)
                case StreamOpened():
                    self._opened(event)
                case StreamReset():
                    self._reset(event.stream)
                case ProtocolError():
                    self._flush()
                    self._link.close()
                    return 0
        self._flush()
        idle = self._spdy.idle_frames - idle_before
        if idle and not self._flood.idle(idle):
            self._refuse(REASON)
        return self._spdy.frames - before

    def _refuse(self, reason: str) -> None:
        """The client floods the server: end the session and its command."""
        if not self._finished:
            self._resources.refused(reason)
            self._end(Outcome(error=reason), Goaway.PROTOCOL_ERROR)
            self._command.gone()

    def _opened(self, event: StreamOpened) -> None:
        if self._set.add(event.headers, event.stream):
            self._spdy.reset(event.stream, Reset.PROTOCOL_ERROR)
            return
        self._kinds[event.stream] = kind = self._set.kind(event.stream)
        self._spdy.accept(event.stream)
        if event.fin and kind is Stream.STDIN:
            self._command.stdin_end()
        if self._set.complete and not self._started:
            self._started = True
            self._timer.cancel()
            self._flush()  # send the replies first: the client drops output that is before them
            self._command.start()

    def _data(self, event: DataReceived) -> None:
        kind = self._kinds.get(event.stream)
        if kind is Stream.STDIN:
            if event.data:
                self._flood.moved()
                self._command.stdin(event.data)
            if event.fin:
                self._command.stdin_end()
        elif kind is Stream.RESIZE:
            self._flood.idle(1)
            self._command.resize(event.data)

    def _reset(self, stream: int) -> None:
        if self._kinds.get(stream) is Stream.STDIN:
            self._command.stdin_end()

    def gone(self) -> None:
        self._timer.cancel()
        self._command.gone()

    def pause(self) -> None:
        self._command.pause()

    def resume(self) -> None:
        self._command.resume()

    def end(self, reason: str) -> None:
        self._command.end(reason)

    def _too_late(self) -> None:
        missing = ", ".join(self._set.missing)
        self.finish(Outcome(error=f"no {missing} stream within {CREATION_S:g} s"))

    # -- to the client: Peer ------------------------------------------------------------------

    def output(self, kind: Stream, data: bytes) -> None:
        stream = self._set.streams.get(kind)
        if stream is not None and self._spdy.writable(stream):
            self._spdy.send(stream, data)
            self._flush()

    def backlog(self) -> int:
        return self._link.backlog()

    def throttle(self, on: bool) -> None:
        self._link.throttle(on)

    def finish(self, outcome: Outcome) -> None:
        if not self._finished:
            self._end(outcome, Goaway.OK)

    def _end(self, outcome: Outcome, code: Goaway) -> None:
        self._finished = True
        self._timer.cancel()
        error = self._set.streams.get(Stream.ERROR)
        for kind in (Stream.STDOUT, Stream.STDERR):
            stream = self._set.streams.get(kind)
            if stream is not None and self._spdy.writable(stream):
                self._spdy.send(stream, b"", fin=True)
        if error is not None and self._spdy.writable(error):
            status = wire.encode_outcome(self._protocol, outcome)
            self._spdy.send(error, status, fin=True)
        for stream in self._spdy.open_streams:
            if self._spdy.writable(stream):
                self._spdy.reset(stream)
        self._spdy.goaway(code)
        self._flush()
        self._link.close()

    def _flush(self) -> None:
        if out := self._spdy.outgoing():
            self._link.write(out)
