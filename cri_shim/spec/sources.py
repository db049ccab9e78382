"""Sources of a document's bind mounts: which of them others could change, and what replaces them.

The OCI runtime opens a source by its path when it makes the container, later than we looked at it,
and beneath mounts that tenants write to. So it is given paths of our own alone: `redirected` puts
a place into the document for every other source, and says what is to be mounted there by then.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cri_shim.spec.document import Document

_BIND = {"bind", "rbind"}
_PROPAGATION = {"rshared": "shared", "shared": "shared", "rslave": "slave", "slave": "slave"}


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be mounted at `place` while the OCI runtime makes the container."""

    place: str
    path: str  # on the node, without symbolic links
    propagation: str  # "private", "slave" or "shared": what the mount in the container is to be
    idmapped: bool = False  # with the ids of the pod


def bound(document: Document) -> list[dict[str, Any]]:
    """The bind mounts of a document."""
    return [mount for mount in document.get("mounts") or [] if _is_bind(mount)]


def redirected(
    document: Document,
    place: Callable[[int], str],
    found: Mapping[str, str],
    idmapped: Collection[tuple[str, str]] = (),
) -> tuple[Document, list[Source]]:
    """The document with places instead of sources, and what is to be mounted there.

    `place` gives the one of a number. `found`: the path, without symbolic links, of each source
    that is to be replaced. `idmapped`: (source, destination) of those that have the pod's ids.
    """
    mounts: list[dict[str, Any]] = []
    sources: list[Source] = []
    for mount in document.get("mounts") or []:
        path = found.get(mount.get("source", "")) if _is_bind(mount) else None
        if path is None:
            mounts.append(mount)
            continue
        own_ids = (mount["source"], mount["destination"]) in idmapped
        source = Source(place(len(sources)), path, _propagation(mount), own_ids)
        sources.append(source)
        mounts.append({**mount, "source": source.place})
    return {**document, "mounts": mounts}, sources


def restored(document: Document, sources: Collection[Source]) -> Document:
    """The document as it was: with what is mounted at the places as sources."""
    paths = {source.place: source.path for source in sources}
    if not paths:
        return document
    mounts = [
        {**mount, "source": paths[mount["source"]]} if mount.get("source") in paths else mount
        for mount in document.get("mounts") or []
    ]
    return {**document, "mounts": mounts}


def _is_bind(mount: Mapping[str, Any]) -> bool:
    return mount.get("type") == "bind" or bool(_BIND & set(mount.get("options") or []))


def _propagation(mount: Mapping[str, Any]) -> str:
    found = [_PROPAGATION[o] for o in mount.get("options") or [] if o in _PROPAGATION]
    return found[-1] if found else "private"
