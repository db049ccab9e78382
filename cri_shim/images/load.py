"""Loading images from a file or directory of this node, for nodes without a registry.

Sources are skopeo's: docker-archive:FILE, oci-archive:FILE, oci:DIR, dir:DIR. The names are the
ones inside (RepoTags of a docker-archive, org.opencontainers.image.ref.name of an OCI layout), or
the one the caller gives, which is required where the source carries none.
"""

import gzip
import secrets
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cri_shim.aio.outside import look
from cri_shim.aio.own_thread import in_own_thread
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, NotFound, ToolFailed, Unavailable
from cri_shim.images.pull import bring
from cri_shim.store import python_child
from cri_shim.store.image_store import ImageStore
from cri_shim.store.reference import parse
from cri_shim.untrusted import parse_json, printable, read_file

TRANSPORTS = ("docker-archive", "oci-archive", "oci", "dir")
INDEX_S = 300.0  # for a large compressed archive, which is read to its end
_ARCHIVES = ("docker-archive", "oci-archive")
_REF_NAME = "org.opencontainers.image.ref.name"
_FULL_NAME = "io.containerd.image.name"  # what docker and buildkit write beside a bare tag
_INDEX_LIMIT = 16 << 20  # bytes of a manifest.json or index.json
_PIECE = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Loaded:
    image_id: str
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Entry:
    source: str  # for skopeo
    names: Sequence[str]


async def load(engine: Engine, source: str, name: str = "") -> Sequence[Loaded]:
    """Load every image of `source`; with `name`, its only image under that name.

    InvalidArgument for what is no such source or has no name, NotFound for a path that is not
    there.
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
    entries = await _entries(transport, path)
    if name:
        if len(entries) > 1:
            raise InvalidArgument("name", f"{source} has {len(entries)} images, not one")
        entries = [_Entry(entries[0].source, [name])]
    wanted: list[tuple[str, Sequence[str]]] = []
    for entry in entries:
        if not entry.names:
            raise InvalidArgument("name", f"{entry.source} carries no image name; give one")
        wanted.append((entry.source, [str(parse(own)) for own in entry.names]))
    loaded: list[Loaded] = []
    for image_source, tags in wanted:
        image = await bring(store, image_source, None, tags=tags, digests=[])
        loaded.append(Loaded(image.id, tags))
    return loaded


def _is_gzip(transport: str, path: Path) -> bool:
    """Whether the source is a compressed file; InvalidArgument if it is of another kind."""
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
    """Room for an uncompressed copy: skopeo 1.9 cannot read a compressed docker-archive."""
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


async def _entries(transport: str, path: Path) -> Sequence[_Entry]:
    """The images that the source lists."""
    whole = f"{transport}:{path}"
    if transport == "dir":
        return [_Entry(whole, [])]
    if transport == "docker-archive":
        listed = await _json(transport, path, "manifest.json")
        found = _docker_entries(whole, listed)
    else:
        index = await _json(transport, path, "index.json")
        found = _oci_entries(whole, index)
    if not found:
        raise InvalidArgument("source", f"{whole} holds no image")
    return found


def _docker_entries(whole: str, listed: Any) -> Sequence[_Entry]:
    images = _objects(listed, whole, "manifest.json")
    entries = []
    for at, image in enumerate(images):
        names = image.get("RepoTags") or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InvalidArgument("source", f"{whole}: RepoTags of image {at} are not names")
        entries.append(_Entry(f"{whole}:@{at}" if len(images) > 1 else whole, names))
    return entries


def _oci_entries(whole: str, index: Any) -> Sequence[_Entry]:
    if not isinstance(index, dict):
        raise InvalidArgument("source", f"{whole}: index.json is not a JSON object")
    manifests = _objects(index.get("manifests") or [], whole, "manifests of index.json")
    return [_oci_entry(whole, entry, many=len(manifests) > 1) for entry in manifests]


def _oci_entry(whole: str, entry: dict[str, Any], *, many: bool) -> _Entry:
    annotations = entry.get("annotations") or {}
    if not isinstance(annotations, dict):
        raise InvalidArgument("source", f"{whole}: annotations in index.json are not an object")
    reference = str(annotations.get(_REF_NAME) or "")
    full = str(annotations.get(_FULL_NAME) or "")
    if reference != printable(reference):  # it goes to a command line
        shown = printable(repr(reference))
        raise InvalidArgument("source", f"{whole}: {shown} in index.json is not an image name")
    # A bare tag is no name: it says nothing of the repository.
    names = [full] if full else [reference] if "/" in reference or ":" in reference else []
    return _Entry(f"{whole}:{reference}" if many and reference else whole, names)


def _objects(value: Any, whole: str, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InvalidArgument("source", f"{whole}: {what} is not a list of JSON objects")
    return value


async def _json(transport: str, path: Path, file: str) -> Any:
    where = f"{file} of {transport}:{path}"
    try:
        if transport == "oci":
            return parse_json(await look(str(path), read_file, path / file, _INDEX_LIMIT))
        found = await python_child.call(
            "cri_shim.store.archive_index", str(path), file, str(_INDEX_LIMIT),
            attempt="it is no archive that can be read", directory=path.parent, timeout=INDEX_S,
        )  # fmt: skip
        if found["text"] is None:
            raise InvalidArgument("source", f"{transport}:{path} has no {file}")
        return parse_json(found["text"])
    except (OSError, ValueError, ToolFailed) as e:
        raise InvalidArgument("source", f"cannot read {where}: {e}") from e
