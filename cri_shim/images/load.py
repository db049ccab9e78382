"""Loading images from a file or directory of this node, for nodes without a registry.

Sources are skopeo's: docker-archive:FILE, oci-archive:FILE, oci:DIR, dir:DIR. The names are the
ones inside (RepoTags of a docker-archive, org.opencontainers.image.ref.name of an OCI layout), or
the one the caller gives, which is required where the source carries none.
"""

import gzip
import json
import secrets
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.aio.offload import offload
from cri_shim.errors import InvalidArgument, NotFound, Unavailable
from cri_shim.images.pull import bring
from cri_shim.store.image_store import ImageStore
from cri_shim.store.reference import parse

TRANSPORTS = ("docker-archive", "oci-archive", "oci", "dir")
_REF_NAME = "org.opencontainers.image.ref.name"
_FULL_NAME = "io.containerd.image.name"  # what docker and buildkit write beside a bare tag
_INDEX_LIMIT = 16 << 20  # bytes of a manifest.json or index.json


@dataclass(frozen=True, slots=True)
class Loaded:
    image_id: str
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Entry:
    source: str  # for skopeo
    names: Sequence[str]


async def load(store: ImageStore, source: str, name: str) -> Sequence[Loaded]:
    """Load every image of `source`; with `name`, its only image under that name.

    InvalidArgument for what is no such source or has no name, NotFound for a path that is not
    there.
    """
    transport, _, path = source.partition(":")
    if transport not in TRANSPORTS or not path.startswith("/"):
        kinds = ", ".join(f"{t}:/PATH" for t in TRANSPORTS)
        raise InvalidArgument("source", f"{source!r} is not one of {kinds}")
    if not Path(path).exists():
        raise NotFound(f"cannot load {source}: there is no such file or directory")
    try:
        if transport == "docker-archive" and await offload(_is_gzip, Path(path)):
            with _decompressed(store) as plain:
                await offload(_decompress, Path(path), plain)
                return await _load(store, transport, plain, source, name)
        return await _load(store, transport, Path(path), source, name)
    except OSError as e:
        raise Unavailable(f"cannot load {source}: {e}") from e


async def _load(
    store: ImageStore, transport: str, path: Path, source: str, name: str
) -> Sequence[Loaded]:
    entries = await offload(_entries, transport, path)
    if name:
        if len(entries) > 1:
            raise InvalidArgument("name", f"{source} has {len(entries)} images, not one")
        entries = [_Entry(entries[0].source, [name])]
    loaded: list[Loaded] = []
    for entry in entries:
        if not entry.names:
            raise InvalidArgument("name", f"{entry.source} carries no image name; give one")
        tags = [str(parse(own)) for own in entry.names]
        image = await bring(store, entry.source, None, tags=tags, digests=[])
        loaded.append(Loaded(image.id, tags))
    return loaded


def _is_gzip(path: Path) -> bool:
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


def _decompress(source: Path, target: Path) -> None:
    try:
        with gzip.open(source) as packed, target.open("xb") as plain:
            shutil.copyfileobj(packed, plain, 1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise InvalidArgument("source", f"{source} is damaged: {e}") from e


def _entries(transport: str, path: Path) -> Sequence[_Entry]:
    whole = f"{transport}:{path}"
    if transport == "dir":
        return [_Entry(whole, [])]
    if transport == "docker-archive":
        listed = _json(transport, path, "manifest.json")
        many = len(listed) > 1
        return [
            _Entry(f"{whole}:@{at}" if many else whole, list(image.get("RepoTags") or []))
            for at, image in enumerate(listed)
        ]
    manifests = _json(transport, path, "index.json").get("manifests") or []
    if not manifests:
        raise InvalidArgument("source", f"{whole} holds no image")
    return [_oci_entry(whole, entry, many=len(manifests) > 1) for entry in manifests]


def _oci_entry(whole: str, entry: Any, *, many: bool) -> _Entry:
    annotations = entry.get("annotations") or {}
    reference = str(annotations.get(_REF_NAME) or "")
    full = str(annotations.get(_FULL_NAME) or "")
    # A bare tag is no name: it says nothing of the repository.
    names = [full] if full else [reference] if "/" in reference or ":" in reference else []
    return _Entry(f"{whole}:{reference}" if many and reference else whole, names)


def _json(transport: str, path: Path, file: str) -> Any:
    try:
        if transport == "oci":
            return json.loads((path / file).read_bytes())
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.removeprefix("./") == file and member.size <= _INDEX_LIMIT:
                    content = archive.extractfile(member)
                    return json.loads(content.read()) if content else None
    except (OSError, ValueError, tarfile.TarError) as e:
        raise InvalidArgument("source", f"cannot read {file} of {transport}:{path}: {e}") from e
    raise InvalidArgument("source", f"{transport}:{path} has no {file}")
