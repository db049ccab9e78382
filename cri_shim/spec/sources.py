"""Replaces the sources of a document's bind mounts by paths that no tenant can change.

The OCI runtime opens a source by its path when it makes the container. That is later than the
check, and tenants can write to the mounts above the source. So the OCI runtime gets only private
paths: `redirected` puts a place into the document for every other source, and returns what must
be mounted there before the OCI runtime starts.
"""

import posixpath
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cri_shim.spec.document import Document

_BIND = {"bind", "rbind"}
_PROPAGATION = {"rshared": "shared", "shared": "shared", "rslave": "slave", "slave": "slave"}


@dataclass(frozen=True, slots=True)
class Source:
    """The source that is mounted at `place` while the OCI runtime makes the container."""

    place: str
    path: str  # on the node, without symbolic links
    propagation: str  # "private", "slave" or "shared": that of the mount in the container
    idmapped: bool = False  # with the ids of the pod
    nested: tuple[str, ...] = ()  # paths below it where the document mounts or makes a node


def bound(document: Document) -> list[dict[str, Any]]:
    """Return the bind mounts of a document."""
    return [mount for mount in document.get("mounts") or [] if is_bind(mount)]


def nested(document: Document, real_paths: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return, for each mount of a document, the paths below it of other mounts and devices.

    Each path belongs only to its nearest mount. `real_paths`: destinations without symbolic
    links; a destination without links is left out.
    """
    mounts = document.get("mounts") or []
    at = {_path(real_paths, mount["destination"]): number for number, mount in enumerate(mounts)}
    found: list[list[str]] = [[] for _ in mounts]
    devices = (document.get("linux") or {}).get("devices") or []
    for path in dict.fromkeys([*at, *(_path(real_paths, device["path"]) for device in devices)]):
        above = path
        while above != "/":
            above = posixpath.dirname(above)
            if above in at:
                found[at[above]].append(posixpath.relpath(path, above))
                break
    return [tuple(paths) for paths in found]


def _path(real_paths: Mapping[str, str], path: str) -> str:
    return posixpath.normpath("/" + real_paths.get(path, path).lstrip("/"))


def redirected(
    document: Document,
    place: Callable[[int], str],
    found: Mapping[str, str],
    idmapped: Collection[tuple[str, str]] = (),
    real_paths: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Document, list[Source]]:
    """Return the document with places instead of sources, and what must be mounted there.

    `place` returns the place of a number. `found`: each source that is replaced -> its path without
    symbolic links. `idmapped`: (source, destination) of mounts with the pod's ids. `real_paths`: as
    for `nested`.
    """
    mounts: list[dict[str, Any]] = []
    sources: list[Source] = []
    for mount, below in zip(
        document.get("mounts") or [], nested(document, real_paths), strict=True
    ):
        path = found.get(mount.get("source", "")) if is_bind(mount) else None
        if path is None:
            mounts.append(mount)
            continue
        own_ids = (mount["source"], mount["destination"]) in idmapped
        source = Source(place(len(sources)), path, _propagation(mount), own_ids, below)
        sources.append(source)
        mounts.append({**mount, "source": source.place})
    return {**document, "mounts": mounts}, sources


def restored(document: Document, sources: Collection[Source]) -> Document:
    """Return the original document: each place is replaced by its source again."""
    paths = {source.place: source.path for source in sources}
    if not paths:
        return document
    mounts = [
        {**mount, "source": paths[mount["source"]]} if mount.get("source") in paths else mount
        for mount in document.get("mounts") or []
    ]
    return {**document, "mounts": mounts}


def is_bind(mount: Mapping[str, Any]) -> bool:
    """Return whether a mount of a document is a bind mount, by its type or its options."""
    return mount.get("type") == "bind" or bool(_BIND & set(mount.get("options") or []))


def _propagation(mount: Mapping[str, Any]) -> str:
    found = [_PROPAGATION[o] for o in mount.get("options") or [] if o in _PROPAGATION]
    return found[-1] if found else "private"
