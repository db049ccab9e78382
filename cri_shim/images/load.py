"""Loads images from a file or directory of this node, for nodes without a registry.

Sources are skopeo's: docker-archive:FILE, oci-archive:FILE, oci:DIR, dir:DIR; or only a path, whose
content decides between them. The names come from the source (RepoTags of a docker-archive,
org.opencontainers.image.ref.name of an OCI layout), or from the caller, who must give one if the
source has none. Images in one OCI layout are identified by digest: two of them may have one
ref.name.
"""

import gzip
import json
import secrets
import stat
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from cri_shim.activity import Step, Subject
from cri_shim.aio.offload import finish, offload
from cri_shim.aio.outside import look
from cri_shim.aio.own_thread import in_own_thread
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, NotFound, ToolFailed, Unavailable
from cri_shim.images import archives
from cri_shim.images.arrival import bring
from cri_shim.registry.reference import parse
from cri_shim.store import python_child
from cri_shim.store.deletion import delete
from cri_shim.store.image_store import ImageStore
from cri_shim.untrusted import printable

TRANSPORTS = ("docker-archive", "oci-archive", "oci", "dir")
_DIRECTORIES = ("oci", "dir")
_PIECE = 1 << 20  # bytes
_Open = Callable[[BinaryIO], BinaryIO]


def _gzip(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file))


def _zstd(file: BinaryIO) -> BinaryIO:
    reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    return cast(BinaryIO, reader)


# The first bytes of a compressed archive -> a reader of its content.
_COMPRESSED: Mapping[bytes, _Open] = {b"\x1f\x8b": _gzip, b"\x28\xb5\x2f\xfd": _zstd}


@dataclass(frozen=True, slots=True)
class Loaded:
    image_id: str
    names: Sequence[str]


async def load(engine: Engine, source: str, name: str = "") -> Sequence[Loaded]:
    """Load every image of `source`; with `name`, its only image under that name.

    InvalidArgument if the source is not of these kinds or has no name; NotFound if the path does
    not exist.
    """
    transport, path = _parts(source)
    try:
        with engine.work.operations.serving("LoadImage", Subject("archive", source)):
            return await _load(engine.images, transport, path, source, name)
    except FileNotFoundError as e:
        raise NotFound(f"cannot load {source}: there is no such file or directory") from e
    except OSError as e:
        raise Unavailable(f"cannot load {source}: {e}") from e


def _parts(source: str) -> tuple[str, Path]:
    """Return the transport, "" if there is none, and the path."""
    transport, _, path = ("", "", source) if source.startswith("/") else source.partition(":")
    if transport not in ("", *TRANSPORTS) or not path.startswith("/") or "\0" in path:
        kinds = ", ".join(f"{t}:/PATH" for t in TRANSPORTS)
        raise InvalidArgument("source", f"{printable(repr(source))} is not one of {kinds}, /PATH")
    return transport, Path(path)


async def _load(
    store: ImageStore, transport: str, path: Path, source: str, name: str
) -> Sequence[Loaded]:
    reader = await look(str(path), _reader, transport, path)
    async with _apart(store) as room:
        if reader is not None:
            plain = room / "plain.tar"
            with Step("decompress", "the archive to be decompressed", expected=True):
                await in_own_thread("load", partial(_decompress, path, plain, reader))
            path = plain
        elif ":" in str(path):  # for skopeo, a colon ends the path
            path = await offload(_linked, path, room / "linked")
        kind = transport or await archives.kind(path)
        return await _load_each(store, kind, path, source, name, room)


async def _load_each(
    store: ImageStore, transport: str, path: Path, source: str, name: str, room: Path
) -> Sequence[Loaded]:
    entries = await archives.entries(transport, path)
    if name:
        if len(entries) > 1:
            raise InvalidArgument("name", f"{source} has {len(entries)} images, not one")
        entries = [replace(entries[0], names=[name])]
    wanted: list[Sequence[str]] = []
    for entry in entries:
        if not entry.names:
            raise InvalidArgument("name", f"{entry.source} carries no image name; give one")
        wanted.append([str(parse(own)) for own in entry.names])
    loaded: list[Loaded] = []
    blobs = path / "blobs"
    if transport == "oci-archive" and len(entries) > 1:
        blobs = await _unpacked(path, room / "whole") / "blobs"
    for entry, tags in zip(entries, wanted, strict=True):
        image_source = entry.source
        if entry.manifest is not None:
            layout = await offload(_layout_of_one, room / "one", entry.manifest, blobs)
            image_source = f"oci:{layout}"
        image = await bring(store, image_source, tags=tags, digests=[])
        loaded.append(Loaded(image.id, tags))
    return loaded


def _reader(transport: str, path: Path) -> _Open | None:
    """Return how to decompress the source, None if that is not needed.

    skopeo 1.9 cannot read a compressed docker-archive. InvalidArgument if the source is of another
    kind.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode) and transport in ("", *_DIRECTORIES):
        return None
    if transport in _DIRECTORIES:
        raise InvalidArgument("source", f"{transport}:{path} is not a directory")
    if not stat.S_ISREG(mode):
        raise InvalidArgument("source", f"{path} is not a regular file")
    with path.open("rb") as file:
        first = file.read(4)
    return next((how for mark, how in _COMPRESSED.items() if first.startswith(mark)), None)


@asynccontextmanager
async def _apart(store: ImageStore) -> AsyncIterator[Path]:
    """Yield a directory for what is made of the source."""
    path = store.layouts / f"load-{secrets.token_hex(8)}"
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        try:
            await finish(delete(path))
        except ToolFailed:
            store.delete_later([path])


def _decompress(source: Path, target: Path, reader: _Open, stopped: Callable[[], bool]) -> None:
    try:
        with source.open("rb") as file, reader(file) as packed, target.open("xb") as plain:
            while not stopped() and (piece := packed.read(_PIECE)):
                plain.write(piece)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as e:
        raise InvalidArgument("source", f"{source} is damaged: {e}") from e


def _linked(path: Path, link: Path) -> Path:
    link.symlink_to(path)
    return link


async def _unpacked(archive: Path, layout: Path) -> Path:
    await offload(partial(layout.mkdir, parents=True, mode=0o700))
    await python_child.call(
        "cri_shim.store.archives.extract", str(archive), str(layout),
        attempt=f"cannot unpack {archive}", directory=layout, timeout=archives.INDEX_S,
    )  # fmt: skip
    return layout


def _layout_of_one(layout: Path, descriptor: Mapping[str, Any], blobs: Path) -> Path:
    """Make a layout with only the image of `descriptor`; it links to the blobs of the whole one."""
    layout.mkdir(parents=True, mode=0o700, exist_ok=True)
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    if not (layout / "blobs").is_symlink():
        (layout / "blobs").symlink_to(blobs)
    alone = {key: value for key, value in descriptor.items() if key != "annotations"}
    index = {"schemaVersion": 2, "manifests": [alone]}
    (layout / "index.json").write_text(json.dumps(index))
    return layout
