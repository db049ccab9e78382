"""Layers, blobs and temporary files of the store."""

from collections.abc import Iterator
from pathlib import Path

from cri_shim.activity import Subject
from cri_shim.comparison import ours
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.place import Place, since
from cri_shim.comparison.records import Records, Store

LAYER, BLOB, REMAINS = "layer", "blob", "remains"
DELETE = "deletes it"
FORGET = "forgets the layer and its images; the next pull brings them back"
_EROFS = ".erofs"


def find(place: Place, records: Records) -> Iterator[Difference]:
    if records.store is None:
        return
    yield from _layers(place.paths.root, records.store)
    yield from _blobs(place.paths.root / "images" / "blobs" / "sha256", records.store)
    yield from _remains(place.paths.root, records.store.began)


def _layers(root: Path, store: Store) -> Iterator[Difference]:
    there = {f"sha256:{name.removesuffix(_EROFS)}" for name in _names(root / "layers")}
    for place, what in (("layers", "a layer"), ("recipes", "the recipe of a layer")):
        for name in _names(root / place):
            diff_id, path = f"sha256:{name.removesuffix(_EROFS)}", root / place / name
            if diff_id not in store.layers and diff_id not in store.held:
                text = f"{what} that no record has"
                yield _found(LAYER, Sort.LEFTOVER, diff_id, path, text, DELETE)
    for diff_id in sorted(store.layers - there):
        path, text = (
            root / "layers" / diff_id.removeprefix("sha256:"),
            "a recorded layer is not there",
        )
        yield _found(LAYER, Sort.LOST, diff_id, path, text, FORGET)


def _blobs(directory: Path, store: Store) -> Iterator[Difference]:
    there = {f"sha256:{name}" for name in _names(directory)}
    if not store.keeps_others:
        for digest in sorted(there - store.blobs):
            path, text = directory / digest.removeprefix("sha256:"), "a blob that no image needs"
            yield _found(BLOB, Sort.LEFTOVER, digest, path, text, DELETE)
    for digest in sorted(store.needed - there):
        path = directory / digest.removeprefix("sha256:")
        text = (
            "the manifest or config of an image is not there; `cri-shim image pull` brings it back"
        )
        yield _found(BLOB, Sort.LOST, digest, path, text)


def _remains(root: Path, began: float) -> Iterator[Difference]:
    """Yield temporary files of daemons that have died; their deletion at the start has failed."""
    hidden = [root / "layers", root / "recipes", root / "containers", root / "images/blobs/sha256"]
    found = [path for directory in hidden for path in _there(directory) if path.name[0] == "."]
    for path in [*found, *_there(root / "images" / "layouts")]:
        changed = since(path)
        if 0 < changed < began:
            text = "a temporary file of a daemon that has ended"
            yield Difference(
                REMAINS, Sort.LEFTOVER, Subject("store"), str(path), text, DELETE, changed
            )


def _found(
    kind: str, sort: Sort, digest: str, path: Path, text: str, repair: str = ""
) -> Difference:
    subject = Subject(kind, digest[: len("sha256:") + 12])
    return Difference(kind, sort, subject, str(path), text, repair, since(path), digest)


def _names(directory: Path) -> list[str]:
    """Return the names that are digests, with the ending of a layer that is a file."""
    names = (path.name for path in _there(directory))
    return [name for name in names if ours.ID.fullmatch(name.removesuffix(_EROFS))]


def _there(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []
