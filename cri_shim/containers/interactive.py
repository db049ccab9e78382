"""Exec and Attach: connect a client with a command, or with the container's own program.

Both give an InteractiveSession. Input goes in, and output comes out through callbacks. At the end
there is an exit code for a command, and none for an attachment. The caller reports with `pause`
that it cannot pass on output. The full pipe then blocks a command. An attachment must never block
its container, so it is closed when more than LAG bytes wait.
"""

import asyncio
from typing import Protocol

from cri_shim import lifecycle
from cri_shim.containers import exec as container_exec
from cri_shim.containers import start as container_start
from cri_shim.containers import streams
from cri_shim.engine import Engine
from cri_shim.errors import Unavailable, WrongState
from cri_shim.oci.attach import ConmonClient
from cri_shim.oci.command import OutputHandler, Streams
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.pb import state_pb2 as state
from cri_shim.spec.process import NO_CHANGES, ExecChanges

LAG = 16 << 20  # bytes that may wait for an attach client, in memory: seconds of a slow link


class InteractiveSession(Protocol):
    """A connection with a process; it has begun."""

    def feed(self, data: bytes | memoryview) -> int:
        """Write input; return how many bytes wait to be read."""

    def feed_end(self) -> None:
        """End the input."""

    def resize(self, width: int, height: int) -> None:
        """Set the terminal's size in characters."""

    def pause(self) -> None:
        """The caller cannot pass on output for now."""

    def resume(self) -> None:
        """The caller can pass on output again."""

    async def wait(self) -> int | None:
        """Return after the last output: 0..255 for a command, None for an attachment."""

    async def close(self) -> None:
        """End the session and leave nothing of it; also when the client has gone."""


# The requests of the CRI, and those of operators, which have more fields.
ExecRequest = api.ExecRequest | control.ExecRequest
AttachRequest = api.AttachRequest | control.AttachRequest


def streams_of(request: ExecRequest | AttachRequest) -> Streams:
    """Return the streams of the process that the caller requests."""
    return Streams(request.stdin, request.stdout, request.stderr and not request.tty, request.tty)


async def exec(engine: Engine, request: ExecRequest, handler: OutputHandler) -> InteractiveSession:
    """Start the command. WrongState, CommandNotFound or ToolFailed: it does not run."""
    container = container_exec.accepting(engine, request.container_id)
    process = await container_exec.process_of(
        engine, container, list(request.cmd), changes_of(request), tty=request.tty
    )
    return await engine.oci.runtime.command(
        engine.oci.handler(container.handler),
        container.id,
        process,
        streams_of(request),
        handler,
        streams.owner(engine, container, process),
    )


def changes_of(request: ExecRequest) -> ExecChanges:
    """Return the values of the command that are not the container's."""
    if isinstance(request, api.ExecRequest):
        return NO_CHANGES
    return ExecChanges(tuple(request.environment), request.working_dir, request.user)


def attachable(engine: Engine, container_id: str) -> state.ContainerRecord:
    """Return the container if conmon has created it and it has not ended."""
    container = engine.objects.container(container_id)
    if not lifecycle.is_running(container):
        raise WrongState(f"container {container.id} is not running")
    return container


async def attach(
    engine: Engine, request: AttachRequest, handler: OutputHandler
) -> InteractiveSession:
    """Connect to the container's own streams from now on. WrongState if it does not run.

    An operator's request may start the container first: see `start`.
    """
    if isinstance(request, control.AttachRequest) and request.start:
        return await start(engine, request, handler)
    return await _joined(engine, attachable(engine, request.container_id), request, handler)


async def start(
    engine: Engine, request: AttachRequest, handler: OutputHandler
) -> InteractiveSession:
    """Start the container and attach before its program begins. Errors as of starts.start.

    If the caller is cancelled, the start continues without it.
    """
    joined: InteractiveSession | None = None
    waited_for = True

    async def join() -> None:
        nonlocal joined
        if waited_for:
            container = engine.objects.container(request.container_id)
            joined = await _joined(engine, container, request, handler)

    try:
        await container_start.start(engine, request.container_id, join)
    except BaseException:
        waited_for = False
        if joined is not None:
            await joined.close()
        raise
    assert joined is not None
    return joined


async def _joined(
    engine: Engine,
    container: state.ContainerRecord,
    request: AttachRequest,
    handler: OutputHandler,
) -> InteractiveSession:
    session = _Attach(engine, container, streams_of(request), handler)
    await session.connect()
    return session


class _Attach:
    """One client of the container's conmon."""

    def __init__(
        self,
        engine: Engine,
        container: state.ContainerRecord,
        streams: Streams,
        handler: OutputHandler,
    ) -> None:
        self._engine = engine
        self._bundle = engine.paths.bundle(container.id)
        self._id = container.id
        self._config = container.config
        self._streams = {1: streams.stdout, 2: streams.stderr}
        self._handler = handler
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._size: tuple[int, int] | None = None  # not yet sent to conmon
        self._resizing = False
        self._attachment = ConmonClient(self._output, handler.drained, self._ended)

    async def connect(self) -> None:
        try:
            await self._attachment.connect(self._bundle)
        except BaseException:
            self._attachment.close()
            raise

    def _output(self, stream: int, data: bytes) -> None:
        if not self._streams.get(stream):
            return
        self._handler.output(stream, data)
        if self._handler.backlog() > LAG:
            self._attachment.close()
            self._ended(
                Unavailable(
                    f"attach to container {self._id}: given up, because its output is taken too"
                    " slowly and must not be held back; attach again, or read its log"
                )
            )

    def _ended(self, error: Exception | None = None) -> None:
        if self._end.done():
            return
        if error is not None:
            self._end.set_exception(error)
        else:
            self._end.set_result(None)

    def feed(self, data: bytes | memoryview) -> int:
        return self._attachment.feed(data)

    def feed_end(self) -> None:
        """End the input; also end this session if the container's stdin outlives its clients."""
        if self._config.tty:
            return
        self._attachment.feed_end()
        if self._config.stdin and not self._config.stdin_once:
            self._ended()

    def resize(self, width: int, height: int) -> None:
        """Set the terminal's size; while conmon handles one size, only the last new one counts."""
        if not self._config.tty:
            return
        self._size = width, height
        if not self._resizing:
            self._resizing = True
            self._engine.work.spawn(f"resize {self._id}", self._resize())

    async def _resize(self) -> None:
        try:
            while self._size is not None:
                (width, height), self._size = self._size, None
                await self._engine.oci.conmon.resize(self._bundle, width, height)
        except WrongState:
            return  # the container has ended; the end of its output says so
        finally:
            self._resizing = False

    def pause(self) -> None:
        """Do nothing: a container is never blocked, see `_output`."""

    def resume(self) -> None:
        """Do nothing, as `pause`."""

    async def wait(self) -> int | None:
        await self._end
        return None

    async def close(self) -> None:
        self._attachment.close()
        if self._end.done() and not self._end.cancelled():
            self._end.exception()  # mark the error as retrieved, even without a waiter
