"""Loads images from a file or directory of this node, for nodes without a registry.

Sources are skopeo's: docker-archive:FILE, oci-archive:FILE, oci:DIR, dir:DIR. The names come from
the source (RepoTags of a docker-archive, org.opencontainers.image.ref.name of an OCI layout), or
from the caller, who must give one if the source has none. Images in one OCI layout are identified
by digest: two of them may have one ref.name.
"""

import gzip
import json
import secrets
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from cri_shim.aio.offload import offload
from cri_shim.aio.outside import look
from cri_shim.aio.own_thread import in_own_thread
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, NotFound, Unavailable
from cri_shim.images import archives
from cri_shim.images.pull import bring
from cri_shim.registry.reference import parse
from cri_shim.store import python_child
from cri_shim.store.image_store import ImageStore
from cri_shim.untrusted import printable

TRANSPORTS = ("docker-archive", "oci-archive", "oci", "dir")
_ARCHIVES = ("docker-archive", "oci-archive")
_PIECE = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Loaded:
    image_id: str
    names: Sequence[str]


async def load(engine: Engine, source: str, name: str = "") -> Sequence[Loaded]:
    """Load every image of `source`; with `name`, its only image under that name.

    InvalidArgument if the source is not of these kinds or has no name; NotFound if the path does
    not exist.
    """
    store = engine.images
    transport, _, path = source.partition(":")
    if transport not in TRANSPORTS or not path.startswith("/") or "\0" in path:
        kinds = ", ".join(f"{t}:/PATH" for t in TRANSPORTS)
        raise InvalidArgument("source", f"{printable(repr(source))} is not one of {kinds}")
    try:
        if await look(path, _is_gzip, transport, Path(path)) and transport == "docker-archive":
            with _decompressed(store) as plain:
                await in_own_thread("load", partial(_decompress, Path(path), plain))
                return await _load(store, transport, plain, source, name)
        return await _load(store, transport, Path(path), source, name)
    except FileNotFoundError as e:
        raise NotFound(f"cannot load {source}: there is no such file or directory") from e
    except OSError as e:
        raise Unavailable(f"cannot load {source}: {e}") from e


async def _load(
    store: ImageStore, transport: str, path: Path, source: str, name: str
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
    with _apart(store) as room:
        blobs = path / "blobs"
        if transport == "oci-archive" and len(entries) > 1:
            blobs = await _unpacked(path, room / "whole") / "blobs"
        for entry, tags in zip(entries, wanted, strict=True):
            image_source = entry.source
            if entry.manifest is not None:
                layout = await offload(_layout_of_one, room / "one", entry.manifest, blobs)
                image_source = f"oci:{layout}"
            image = await bring(store, image_source, None, tags=tags, digests=[])
            loaded.append(Loaded(image.id, tags))
    return loaded


def _is_gzip(transport: str, path: Path) -> bool:
    """Return whether the source is a compressed file; InvalidArgument if it is of another kind."""
    mode = path.stat().st_mode
    if transport not in _ARCHIVES:
        if not stat.S_ISDIR(mode):
            raise InvalidArgument("source", f"{transport}:{path} is not a directory")
        return False
    if not stat.S_ISREG(mode):
        raise InvalidArgument("source", f"{transport}:{path} is not a regular file")
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


@contextmanager
def _decompressed(store: ImageStore) -> Iterator[Path]:
    """Yield a path for an uncompressed copy: skopeo 1.9 cannot read a compressed docker-archive."""
    path = store.layouts / f"load-{secrets.token_hex(8)}.tar"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _decompress(source: Path, target: Path, stopped: Callable[[], bool]) -> None:
    try:
        with gzip.open(source) as packed, target.open("xb") as plain:
            while not stopped() and (piece := packed.read(_PIECE)):
                plain.write(piece)
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise InvalidArgument("source", f"{source} is damaged: {e}") from e


@contextmanager
def _apart(store: ImageStore) -> Iterator[Path]:
    """Yield the path of a directory for layouts of single images; it may stay unused."""
    path = store.layouts / f"load-{secrets.token_hex(8)}"
    try:
        yield path
    finally:
        if path.exists():
            store.delete_later([path])


async def _unpacked(archive: Path, layout: Path) -> Path:
    await offload(partial(layout.mkdir, parents=True, mode=0o700))
    await python_child.call(
        "cri_shim.store.archive_layout", str(archive), str(layout),
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
