"""The daemon's dialogue with the worker of a pull: an image is found, blobs are asked for and come.

The worker has the network, TLS and the credentials, which it gets on its standard input only. It
writes blobs into the pull's own layout. Requests and events are lines of JSON. What it says is
checked and bounded here; a worker that dies or says what it may not is a ToolFailed.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.aio.offload import offload
from cri_shim.errors import (
    CriShimError,
    InvalidArgument,
    NotFound,
    RegistryUnavailable,
    ToolFailed,
    Unavailable,
)
from cri_shim.store.fetching.progress import DOWNLOADING, LayerProgress, PullProgress
from cri_shim.store.fetching.worker import Worker
from cri_shim.untrusted import one_line

_log = logging.getLogger(__name__)

_SMALL_LINE = 1 << 16  # bytes: longer ones are parsed in a thread

_KINDS: Mapping[str, type[CriShimError]] = {
    "not_found": NotFound,
    "unavailable": RegistryUnavailable,
    "stalled": RegistryUnavailable,
    "no_space": Unavailable,
}


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
        layer.state, layer.fetched = DOWNLOADING, True
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

    def complete(self) -> None:
        """Note that nothing more is asked for: the worker ends, which takes some milliseconds."""
        self._worker.process.kill_all()

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
            wait = float(event["wait"])
            self._seen.trouble = f"{event['reason']}; next try in {wait:.0f} s"
        elif kind == "host":
            where = self._seen if transfer is None else transfer.layer
            where.host = str(event["host"])
        elif kind == "warning":
            _log.warning("pull of %s: %s", self._seen.name, one_line(event["message"]))
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


def error_of(kind: str, message: str, directory: Path) -> CriShimError:
    """Return the error that the worker names; the kinds are those of its protocol."""
    if kind == "argument":
        return InvalidArgument("", message)
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
