"""Lists the images of a file or directory from its own index.

`manifest.json` of a docker-archive names each image in RepoTags. `index.json` of an OCI layout
names images in annotations. Two of its images may have one ref.name; their digests differ. All
input is untrusted and read with limits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.aio.outside import look
from cri_shim.errors import InvalidArgument, ToolFailed
from cri_shim.store import python_child
from cri_shim.untrusted import parse_json, printable, read_file

INDEX_S = 300.0  # for a large compressed archive, which must be read to its end
_REF_NAME = "org.opencontainers.image.ref.name"
_FULL_NAME = "io.containerd.image.name"  # docker and buildkit write it beside a bare tag
_INDEX_LIMIT = 16 << 20  # bytes of a manifest.json or index.json


# A file of each kind of source; Docker's own archives may have the files of both kinds.
_MARKS = {"manifest.json": "docker-archive", "oci-layout": "oci-archive"}


@dataclass(frozen=True, slots=True)
class Entry:
    source: str  # for skopeo; for an OCI layout with several images, the layout
    names: Sequence[str]
    manifest: Mapping[str, Any] | None = None  # the descriptor, if the layout has several images


async def kind(path: Path) -> str:
    """Return the transport of a source, an uncompressed archive or a directory, by its content."""
    if await look(str(path), path.is_dir):
        return "oci" if await look(str(path), (path / "oci-layout").exists) else "dir"
    try:
        found = await _file_of(path, *_MARKS)
    except ToolFailed as e:
        raise InvalidArgument("source", f"cannot read {path}: {e}") from e
    if found["name"] is None:
        raise InvalidArgument("source", f"{path} has no {' and no '.join(_MARKS)}: no image")
    return _MARKS[found["name"]]


async def entries(transport: str, path: Path) -> Sequence[Entry]:
    """Return the images that the source lists."""
    whole = f"{transport}:{path}"
    if transport == "dir":
        return [Entry(whole, [])]
    if transport == "docker-archive":
        listed = await _json(transport, path, "manifest.json")
        found = _docker(whole, listed)
    else:
        index = await _json(transport, path, "index.json")
        found = _oci(whole, index)
    if not found:
        raise InvalidArgument("source", f"{whole} holds no image")
    return found


def _docker(whole: str, listed: Any) -> Sequence[Entry]:
    images = _objects(listed, whole, "manifest.json")
    entries = []
    for at, image in enumerate(images):
        names = image.get("RepoTags") or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InvalidArgument("source", f"{whole}: RepoTags of image {at} are not names")
        entries.append(Entry(f"{whole}:@{at}" if len(images) > 1 else whole, names))
    return entries


def _oci(whole: str, index: Any) -> Sequence[Entry]:
    if not isinstance(index, dict):
        raise InvalidArgument("source", f"{whole}: index.json is not a JSON object")
    manifests = _objects(index.get("manifests") or [], whole, "manifests of index.json")
    return [_oci_entry(whole, entry, many=len(manifests) > 1) for entry in manifests]


def _oci_entry(whole: str, entry: dict[str, Any], *, many: bool) -> Entry:
    annotations = entry.get("annotations") or {}
    if not isinstance(annotations, dict):
        raise InvalidArgument("source", f"{whole}: annotations in index.json are not an object")
    reference = str(annotations.get(_REF_NAME) or "")
    full = str(annotations.get(_FULL_NAME) or "")
    if reference != printable(reference):
        shown = printable(repr(reference))
        raise InvalidArgument("source", f"{whole}: {shown} in index.json is not an image name")
    # A bare tag is not a name, because it has no repository.
    names = [full] if full else [reference] if "/" in reference or ":" in reference else []
    return Entry(whole, names, entry if many else None)


def _objects(value: Any, whole: str, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InvalidArgument("source", f"{whole}: {what} is not a list of JSON objects")
    return value


async def _json(transport: str, path: Path, file: str) -> Any:
    where = f"{file} of {transport}:{path}"
    try:
        if transport == "oci":
            return parse_json(await look(str(path), read_file, path / file, _INDEX_LIMIT))
        found = await _file_of(path, file)
        if found["text"] is None:
            raise InvalidArgument("source", f"{transport}:{path} has no {file}")
        return parse_json(found["text"])
    except (OSError, ValueError, ToolFailed) as e:
        raise InvalidArgument("source", f"cannot read {where}: {e}") from e


async def _file_of(archive: Path, *names: str) -> Mapping[str, Any]:
    return await python_child.call(
        "cri_shim.store.archives.index", str(archive), str(_INDEX_LIMIT), *names,
        attempt="it is not a tar archive that can be read", directory=archive.parent,
        timeout=INDEX_S,
    )  # fmt: skip
