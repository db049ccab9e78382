"""Fetches images by a worker process, one for each pull: `cri_shim.registry.worker`.

The worker has the network, TLS and the credentials, which it gets on its standard input only. It
writes blobs into the pull's own layout. Requests and events are lines of JSON. What it says is
checked and bounded here; a worker that dies or says what it may not is a ToolFailed.

A worker is killed at the end of its pull. The next one is started then and kept for a while: its
start takes 0.1 s, most of it imports.
"""

import asyncio
import base64
import json
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.aio.child import Child, Finished, spawn
from cri_shim.aio.offload import finish, offload
from cri_shim.aio.pipes import Budget, Collector, collect
from cri_shim.errors import (
    CriShimError,
    InvalidArgument,
    NotFound,
    RegistryUnavailable,
    ToolFailed,
    Unavailable,
)
from cri_shim.pb import api_pb2 as api
from cri_shim.store import python_child
from cri_shim.store.progress import DOWNLOADING, LayerProgress, PullProgress

WORKER = "cri_shim.registry.worker"
PATIENCE_S = 300.0  # without a byte; as in containerd
LAYERS_AT_ONCE = 3  # as in containerd
LINE_LIMIT = 24 << 20  # bytes: three documents of 4 MiB in base64, and room
STANDBY_S = 20.0  # a kubelet pulls the images of a pod, and those of a new node, one after another
_MESSAGE_LIMIT = 1 << 16  # bytes of a traceback
_SMALL_LINE = 1 << 16  # bytes: longer ones are parsed in a thread
_CHUNK = 1 << 18

_KINDS: Mapping[str, type[CriShimError]] = {
    "not_found": NotFound,
    "unavailable": RegistryUnavailable,
    "stalled": RegistryUnavailable,
    "no_space": Unavailable,
}
_FIELDS = ("username", "password", "auth", "server_address", "identity_token", "registry_token")


@dataclass(frozen=True, slots=True)
class Found:
    """An image as the worker found it; the content is not checked yet."""

    reference: str  # fully qualified
    digest: str  # what the name means: an index or a manifest
    host: str
    index: bytes  # empty if the name means a manifest
    manifest: bytes
    config: bytes


class Transfer:
    """One blob on its way. `ended` is done when it is whole, or has its error."""

    def __init__(self, layer: LayerProgress) -> None:
        loop = asyncio.get_running_loop()
        self.layer = layer
        self.ended: asyncio.Future[None] = loop.create_future()
        self.ended.add_done_callback(_seen)
        self.begun = asyncio.Event()
        self.restarted: asyncio.Future[None] = loop.create_future()

    def restart(self) -> None:
        """Note that the file begins again; those who read it must stop."""
        before, self.restarted = self.restarted, asyncio.get_running_loop().create_future()
        before.set_result(None)

    def fail(self, error: CriShimError) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)


class Worker:
    """A started worker process, which waits for its request."""

    def __init__(self) -> None:
        """Start it. ToolFailed."""
        self._loop = asyncio.get_running_loop()
        self.lines: deque[bytes] = deque()
        self.on_line: Callable[[bytes], None] = self.lines.append
        self.on_end: Callable[[str], None] = lambda _why: None
        self._unsent = bytearray()
        self._buffer = bytearray()
        self._stderr = Collector(Budget(_MESSAGE_LIMIT))
        self._in = self._out = -1
        try:
            stdin, self._in = os.pipe2(os.O_CLOEXEC)
            self._out, stdout = os.pipe2(os.O_CLOEXEC)
        except OSError as e:
            self.close()
            raise ToolFailed(f"cannot make a pipe for a pull: {e.strerror}") from e
        try:
            self.process: Child = spawn(
                python_child.command(WORKER), stdin=stdin, stdout=stdout,
                stderr=self._stderr.write_end, session=True, cwd="/",
            )  # fmt: skip
        except BaseException:
            self.close()
            raise
        finally:
            os.close(stdin)
            os.close(stdout)
        self._stderr.started()
        for fd in (self._in, self._out):
            os.set_blocking(fd, False)
        self._loop.add_reader(self._out, self._read)

    def send(self, message: Mapping[str, Any]) -> None:
        """Write a line to its standard input, without waiting."""
        self._unsent += json.dumps(message).encode() + b"\n"
        self._write()

    def _write(self) -> None:
        if self._in < 0:
            return
        try:
            del self._unsent[: os.write(self._in, self._unsent[:_CHUNK])]
        except BlockingIOError:
            pass
        except OSError:  # it has ended: its output says so, too
            self._unsent.clear()
        self._loop.remove_writer(self._in)
        if self._unsent:
            self._loop.add_writer(self._in, self._write)

    def _read(self) -> None:
        try:
            data = os.read(self._out, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._stop("it ended")
            return
        seen = len(self._buffer)
        self._buffer += data
        while (at := self._buffer.find(b"\n", seen)) >= 0:
            line = bytes(self._buffer[:at])
            del self._buffer[: at + 1]
            seen = 0
            self.on_line(line)
        if len(self._buffer) > LINE_LIMIT:
            self._stop(f"it wrote a line of more than {LINE_LIMIT >> 20} MiB")

    def _stop(self, why: str) -> None:
        self._loop.remove_reader(self._out)
        self.on_end(why)

    async def complaint(self) -> str:
        """End it; return what it said last on its standard error, or how it ended."""
        await self.process.end()
        code = await self.process.wait()
        (said,) = await collect(self._stderr)
        return Finished((), code, b"", said).complaint().splitlines()[-1]

    async def end(self) -> None:
        """Kill it with all its processes."""
        try:
            await self.process.end()
        finally:
            self.close()

    def close(self) -> None:
        """Close its pipes; then it ends by itself."""
        if self._in >= 0:
            self._loop.remove_writer(self._in)
            os.close(self._in)
        if self._out >= 0:
            self._loop.remove_reader(self._out)
            os.close(self._out)
        self._in = self._out = -1
        self._stderr.abandon()


class Fetch:
    """The dialogue with a worker about one image."""

    def __init__(self, worker: Worker, seen: PullProgress, directory: Path, eager: int) -> None:
        """`directory` gets the blobs; the first `eager` transfers begin at once."""
        self._worker = worker
        self._seen = seen
        self._directory = directory
        self._eager = eager
        self._transfers: dict[str, Transfer] = {}
        self._image: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._image.add_done_callback(_seen)
        self._broken = ""
        worker.on_line, worker.on_end = self._line, self._ended

    async def image(self) -> Found:
        """Return what the worker found under the name."""
        line = await self._answer()
        try:
            return await offload(_found, line) if len(line) > _SMALL_LINE else _found(line)
        except (ValueError, LookupError, TypeError) as e:
            raise await self._failure("it described the image wrongly") from e

    async def _answer(self) -> bytes:
        try:
            return await self._image
        except EOFError as e:
            raise await self._failure(str(e)) from e

    def fetch(self, layer: LayerProgress) -> Transfer:
        """Ask for a blob. Its errors come by the transfer."""
        transfer = self._transfers[layer.digest] = Transfer(layer)
        layer.state = DOWNLOADING
        if sum(not other.ended.done() for other in self._transfers.values()) <= self._eager:
            transfer.begun.set()
        if self._broken:
            transfer.fail(ToolFailed(self._broken))
        else:
            self._worker.send({"fetch": layer.digest, "size": layer.total})
        self._seen.changed()
        return transfer

    def cancel(self, digest: str) -> None:
        """Stop a transfer that is not needed any more."""
        transfer = self._transfers.get(digest)
        if transfer is not None and not transfer.ended.done():
            transfer.ended.cancel()
            self._worker.send({"cancel": digest})

    async def whole(self, transfer: Transfer) -> None:
        """Wait for the end of a transfer; raise its error."""
        try:
            await asyncio.shield(transfer.ended)
        except EOFError as e:
            raise await self._failure(str(e)) from e

    def part(self, digest: str) -> Path:
        """Return the path of a blob as it comes; see unpack/growing for its name before."""
        return self._directory / digest.removeprefix("sha256:")

    def _line(self, line: bytes) -> None:
        try:
            if not self._image.done() and len(line) > _SMALL_LINE:
                self._image.set_result(line)
            else:
                self._event(json.loads(line), line)
        except (ValueError, LookupError, TypeError, AttributeError):
            self._ended("it wrote what is no event")

    def _event(self, event: Mapping[str, Any], line: bytes) -> None:
        kind, digest = event["event"], str(event.get("digest", ""))
        transfer = self._transfers.get(digest)
        if kind == "image" and not self._image.done():
            self._image.set_result(line)
        elif kind == "failed":
            self._failed(transfer, digest, str(event["kind"]), str(event["message"]))
        elif kind == "retry":
            where: LayerProgress | PullProgress = self._seen if transfer is None else transfer.layer
            where.attempt, where.host = int(event["attempt"]), str(event["host"])
            self._seen.trouble = str(event["reason"])
        elif kind == "host":
            where = self._seen if transfer is None else transfer.layer
            where.host = str(event["host"])
        elif transfer is None or transfer.ended.done():
            return  # of a transfer that was cancelled
        elif kind == "blob":
            transfer.begun.set()
            transfer.layer.received(int(event["done"]))
        elif kind == "restart":
            transfer.restart()
        elif kind == "whole":
            transfer.begun.set()
            transfer.layer.received(transfer.layer.total)
            transfer.ended.set_result(None)
        self._seen.changed()

    def _failed(self, transfer: Transfer | None, digest: str, kind: str, message: str) -> None:
        error = error_of(kind, message, self._directory)
        if transfer is not None:
            transfer.fail(error)
        elif not digest:
            if not self._image.done():
                self._image.set_exception(error)
            for other in self._transfers.values():
                other.fail(error)

    def _ended(self, why: str) -> None:
        """Fail everything that still waits: the worker cannot be used any more."""
        self._broken = f"the process that fetches {self._seen.name} cannot be used: {why}"
        if not self._image.done():
            self._image.set_exception(EOFError(why))
        for transfer in self._transfers.values():
            if not transfer.ended.done():
                transfer.ended.set_exception(EOFError(why))

    async def _failure(self, why: str) -> ToolFailed:
        said = await self._worker.complaint()
        return ToolFailed(f"cannot fetch {self._seen.name}: its process failed: {why}: {said}")


class Fetcher:
    """Starts workers with the settings of the node."""

    def __init__(
        self,
        *,
        architecture: str,
        registries_conf: Path | None = None,
        patience: float = PATIENCE_S,
        layers_at_once: int = LAYERS_AT_ONCE,
        standby: float = STANDBY_S,
    ) -> None:
        """`patience`: seconds without a byte until a pull fails; 0: no limit.

        `standby`: seconds for which a worker waits for the next pull; 0: none waits.
        """
        self._architecture = architecture
        self._registries_conf = registries_conf
        self._patience = patience
        self._layers_at_once = layers_at_once
        self._standby_s = standby
        self._standby: Worker | None = None
        self._timer: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def open(
        self, name: str, auth: api.AuthConfig | None, blobs: Path, seen: PullProgress
    ) -> AsyncIterator[Fetch]:
        """In the block a worker resolves `name`, and fetches its blobs into `blobs`."""
        worker = self._take() or Worker()
        try:
            fetch = Fetch(worker, seen, blobs, self._layers_at_once)
            worker.send(self._request(name, auth, blobs))
            yield fetch
        finally:
            await finish(worker.end())
            self._wait_for_the_next()

    def _request(self, name: str, auth: api.AuthConfig | None, blobs: Path) -> dict[str, Any]:
        own = None
        if auth is not None and auth.ByteSize():
            own = {field: getattr(auth, field) for field in _FIELDS}
        return {
            "image": name,
            "auth": own,
            "registries_conf": str(self._registries_conf or ""),
            "auth_file": "",
            "certs_dirs": ["/etc/containers/certs.d", "/etc/docker/certs.d"],
            "hosts_dirs": ["/etc/containerd/certs.d"],
            "architecture": self._architecture,
            "patience": self._patience,
            "layers_at_once": self._layers_at_once,
            "blobs": str(blobs),
        }

    def _take(self) -> Worker | None:
        """Return the worker that waits, if one does and has not ended."""
        worker, self._standby = self._standby, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if worker is not None and not worker.process.running:
            worker.close()
            return None
        return worker

    def _wait_for_the_next(self) -> None:
        if not self._standby_s or self._standby is not None:
            return
        with suppress(ToolFailed):  # the next pull starts its own, and says why it cannot
            self._standby = Worker()
            self._timer = asyncio.create_task(self._expire(self._standby), name="standby of pulls")

    async def _expire(self, worker: Worker) -> None:
        await asyncio.sleep(self._standby_s)
        if self._standby is worker:
            self._standby = self._timer = None
        await worker.end()

    async def close(self) -> None:
        """End the worker that waits."""
        worker = self._take()
        if worker is not None:
            await worker.end()


def error_of(kind: str, message: str, directory: Path) -> CriShimError:
    """Return the error that the worker names; the kinds are those of its protocol."""
    if kind == "argument":
        return InvalidArgument("image", message)
    if kind == "no_space":
        return Unavailable(f"{message} (in {directory})")
    return _KINDS.get(kind, ToolFailed)(message)


def _found(line: bytes) -> Found:
    event = json.loads(line)
    reference, digest, host = (str(event[key]) for key in ("reference", "digest", "host"))
    index, document, config = (base64.b64decode(event[k]) for k in ("index", "manifest", "config"))
    return Found(reference, digest, host, index, document, config)


def _seen(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()  # the pull may have ended for another reason
