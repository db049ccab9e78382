"""The names that a runtime gives to what it makes in its root and run root.

Everything else in these directories is left alone: a mistaken --root must not cost anybody a file.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from cri_shim import directories
from cri_shim.config import Config
from cri_shim.errors import StateError

ID = re.compile(r"[0-9a-f]{64}")
IN_NAME = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")  # of a file, beside other words
PIN = "cri-shim-"  # before the id, in the name of a pinned network namespace
# With the images, and without them.
_STORE = re.compile(r"state(\.new|\.damaged-.*)?|reserve|layers|recipes|images|cri-shim-state-.*")
_ROOT = re.compile(r"cni|containers|lock|logs|timelines")
_RUN_ROOT = re.compile(
    r"alive|apparmor|containers|exec|handlers|holder|images|layers|lock|logs|network|netns|oci|"
    r"oci-bin|oom|pods|rpc|secrets|state|userns|cri-shim\.sock|\..*"
)
MARKS = frozenset({"state", "layers", "alive", "oci-bin"})  # see directories.py


def recognised(directory: Path) -> bool:
    """Whether a runtime has used this directory; False also if it is not there."""
    try:
        directories.check(directory)
        return bool(MARKS & set(os.listdir(directory)))  # noqa: PTH208
    except (OSError, StateError):
        return False


def entries(config: Config, *, images: bool) -> list[Path]:
    """Return what is ours in root and run root; with `images` also the store."""
    root, run_root = config.server.root, config.server.run_root
    found = _named(run_root, _RUN_ROOT)
    socket = config.server.socket
    if recognised(run_root) and socket.parent == run_root and socket not in found:
        found += [socket] if socket.is_socket() else []
    found += _named(root, _ROOT)
    return found + (_named(root, _STORE) if images else [])


def foreign(config: Config) -> list[Path]:
    """Return what is not ours in root and run root."""
    root, run_root = config.server.root, config.server.run_root
    ours = {*entries(config, images=True), *_around(root, run_root)}
    there = [*_there(root), *_there(run_root)]
    return [entry for entry in there if entry not in ours and entry.name != "lost+found"]


def pins(config: Config) -> list[Path]:
    """Return the pinned network namespaces of our pods; others may pin theirs beside them."""
    known = evidence(config)
    return [pin for id, pin in all_pins(config.network.netns_dir).items() if id in known]


def all_pins(netns_dir: Path) -> dict[str, Path]:
    """Return the pins of all instances of cri-shim by the ids of their pods."""
    there = {entry.name.removeprefix(PIN): entry for entry in _there(netns_dir)}
    return {id: pin for id, pin in there.items() if ID.fullmatch(id) and pin.name.startswith(PIN)}


def ids(config: Config) -> set[str]:
    """Return the ids of pods and containers that have a directory."""
    root, run_root = config.server.root, config.server.run_root
    places = (run_root / "pods", run_root / "containers", root / "containers")
    return {id for place in places for id in ids_in(place)}


def evidence(config: Config) -> set[str]:
    """Return the ids that something of this instance alone shows to be its own.

    Places that instances share, such as the directory of network namespaces, have ids of others.
    """
    root, run_root = config.server.root, config.server.run_root
    found = ids(config) | ids_in(root / "logs") | ids_in(run_root / "logs")
    for runtime in _there(run_root / "oci"):
        found |= ids_in(runtime)
    for entry in _there(root / "cni" / "results"):
        found |= set(IN_NAME.findall(entry.name))
    return found


def ids_in(place: Path) -> set[str]:
    """Return the entries of a directory that are ids; none if it is missing."""
    return {entry.name for entry in _there(place) if ID.fullmatch(entry.name)}


def _named(directory: Path, names: re.Pattern[str]) -> list[Path]:
    if not recognised(directory):
        return []
    return [entry for entry in _there(directory) if names.fullmatch(entry.name)]


def _around(root: Path, run_root: Path) -> Iterator[Path]:
    """Yield the directory that contains the other one, where one does."""
    for outer, inner in ((root, run_root), (run_root, root)):
        if inner.is_relative_to(outer) and inner != outer:
            yield outer / inner.relative_to(outer).parts[0]


def _there(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []
