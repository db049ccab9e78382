"""Loads the images of a directory at the start, for nodes without a registry.

Each entry of the directory is an archive or an OCI layout, as `load` takes it. Its images are
pinned while it is there. An entry is not loaded again while it is unchanged and its images are on
the node; a tag that was given to another image meanwhile stays there. An entry that cannot be
loaded is one warning, and the next start tries it again. Pods wait until all entries are loaded,
but not longer than WAIT_S.
"""

import asyncio
import hashlib
import json
import logging
import os
import stat
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.aio.outside import look
from cri_shim.engine import Engine
from cri_shim.errors import CriShimError
from cri_shim.faults import fault_point
from cri_shim.images.load import load
from cri_shim.linux.privacy import write_private
from cri_shim.untrusted import parse_json, printable, read_file, reason

WAIT_S = 600.0  # for all entries together; after that, loading continues beside the pods
MOST_ENTRIES = 1000  # of the directory, and of each layout
_NOTE_LIMIT = 4 << 20  # bytes

# Entry -> its fingerprint and the ids of its images: what the last daemons have loaded.
Note = dict[str, tuple[str, Sequence[str]]]

_log = logging.getLogger(__name__)


def start(engine: Engine, directory: Path) -> None:
    """Begin to load in the background; pods wait for `engine.work.pods_may_run`."""
    engine.work.pods_may_run.clear()
    engine.work.preload = engine.work.spawn(f"load {directory}", _until_done(engine, directory))


async def _until_done(engine: Engine, directory: Path) -> None:
    overdue = asyncio.get_running_loop().call_later(WAIT_S, _overdue, engine, directory)
    try:
        await _load_all(engine, directory)
    finally:
        overdue.cancel()
        engine.work.pods_may_run.set()


def _overdue(engine: Engine, directory: Path) -> None:
    _log.warning("%s: not all is loaded after %g s; pods do not wait any more", directory, WAIT_S)
    engine.work.pods_may_run.set()


async def _load_all(engine: Engine, directory: Path) -> None:
    try:
        found = await look(str(directory), _entries, directory)
    except (OSError, ValueError, CriShimError) as e:
        _log.warning("image.preload_dir %s is not used: %s", directory, reason(e))
        return
    file = engine.images.root / "images" / "preloaded.json"
    note = {name: known for name, known in (await offload(_read, file)).items() if name in found}
    for _, ids in note.values():
        engine.images.pins.add(ids)
    for name, fingerprint in found.items():
        known, ids = note.get(name, ("", ()))
        if known == fingerprint and all(map(engine.images.catalog.image, ids)):
            continue
        fault_point("images.preload.entry")
        note.pop(name, None)
        if loaded := await _load(engine, directory / name):
            note[name] = fingerprint, loaded
        await offload(_write, file, note)


async def _load(engine: Engine, path: Path) -> list[str]:
    """Load one entry and return the ids of its images; [] after a failure, which is logged."""
    try:
        loaded = await load(engine, str(path))
    except Exception as e:  # also a bug: the other entries are loaded
        unexpected = None if isinstance(e, CriShimError | OSError) else e
        _log.warning("%s is not loaded: %s", printable(path), e, exc_info=unexpected)
        return []
    ids = list(dict.fromkeys(image.image_id for image in loaded))
    engine.images.pins.add(ids)
    names = ", ".join(name for image in loaded for name in image.names)
    _log.info("loaded %s: %s", printable(path), names)
    return ids


def _entries(directory: Path) -> dict[str, str]:
    """Return the name of each entry, in order, with its fingerprint. Blocks."""
    names = sorted(name for name in _names(directory) if name[0] != ".")
    return {name: _fingerprint(directory / name) for name in names}


def _names(directory: Path) -> list[str]:
    with os.scandir(directory) as entries:
        names = [entry.name for entry in islice(entries, MOST_ENTRIES + 1)]
    if len(names) > MOST_ENTRIES:
        raise ValueError(f"has more than {MOST_ENTRIES} entries")
    return names


def _fingerprint(path: Path) -> str:
    """Return another text for another content; "" if it cannot be read, which `load` reports.

    A layout changes with the files directly in it; its blobs are named by their content.
    """
    try:
        status = path.stat()
        parts = [("", status)]
        if stat.S_ISDIR(status.st_mode):
            parts += [(name, (path / name).stat()) for name in sorted(_names(path))]
    except (OSError, ValueError):
        return ""
    facts = [(name, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino) for name, s in parts]
    return hashlib.sha256(repr(facts).encode(errors="surrogateescape")).hexdigest()


def _read(file: Path) -> Note:
    """Return the note; an empty one if there is none, or one that is not ours."""
    try:
        value = parse_json(read_file(file, _NOTE_LIMIT))
        return {
            name: (str(known["fingerprint"]), [str(id) for id in known["images"]])
            for name, known in value.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as e:
        _log.warning("%s is not used, all is loaded again: %s", file, printable(e))
        return {}


def _write(file: Path, note: Mapping[str, tuple[str, Sequence[str]]]) -> None:
    """Write the note. A full disk is no error: without it, the next start loads again."""
    value = {
        name: {"fingerprint": known, "images": list(ids)} for name, (known, ids) in note.items()
    }
    try:
        write_private(file, json.dumps(value))
    except OSError as e:
        _log.warning("cannot write %s: %s", file, e.strerror)
