"""The directories of the runtime: their disk space and inodes; and a user's subordinate ids."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from cri_shim.config import Config
from cri_shim.config.user import unprivileged_user
from cri_shim.errors import CriShimError
from cri_shim.problems.finding import Finding, Level
from cri_shim.rootless import mapping

_LOW_SHARE = 0.02  # of a disk: below it, and below _LOW, there is a warning
_LOW = 1 << 30  # bytes
_LOW_FILES = 5_000  # inodes: an image of a distribution has as many files
_NONE = 1 << 20  # bytes: too little to begin a container


def look(config: Config) -> list[Finding]:
    """Return what was found; nothing is made."""
    server = config.server
    found = [*_space("server.root", server.root), *_space("server.run_root", server.run_root)]
    uid = unprivileged_user()
    return found if uid is None or os.geteuid() == 0 else [*found, _subordinate(uid)]


def nearest(path: Path) -> Path:
    """Return `path`, or the nearest directory above it that exists."""
    return next((place for place in (path, *path.parents) if place.is_dir()), Path("/"))


def _space(key: str, directory: Path) -> Iterator[Finding]:
    what = f"space of {directory}"
    try:
        facts = os.statvfs(nearest(directory))
    except OSError as e:
        yield Finding(what, Level.FAILS, f"{directory} cannot be used: {e.strerror}", key=key)
        return
    free, total = facts.f_bavail * facts.f_frsize, facts.f_blocks * facts.f_frsize
    remedy = "remove images (cri-shim image prune) or files, or set another directory"
    level = _level(free, total)
    text = f"{_size(free)} free of {_size(total)}"
    if level is Level.OK:
        yield Finding(what, level, text, varies=True)
    else:
        few = "no space left" if level is Level.FAILS else "little space is left"
        yield Finding(what, level, f"{few} in {directory}: {text}", remedy, key=key, varies=True)
    if facts.f_files and facts.f_favail < _LOW_FILES:
        level = Level.WARNING if facts.f_favail > 100 else Level.FAILS
        sentence = f"{facts.f_favail} inodes are free in {directory} of {facts.f_files}"
        yield Finding(f"inodes of {directory}", level, sentence, remedy, key=key, varies=True)


def _level(free: int, total: int) -> Level:
    if free < _NONE:
        return Level.FAILS
    return Level.WARNING if free < min(_LOW, total * _LOW_SHARE) else Level.OK


def _size(number: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.1f} {unit}" if unit != "B" else f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def _subordinate(uid: int) -> Finding:
    """The ids for the containers of an unprivileged user."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    try:
        found = mapping.of_user(uid, os.getegid(), name)
    except CriShimError as e:
        return Finding("subordinate ids", Level.FAILS, str(e))
    ids = sum(int(count) for count in found.uids[2::3])
    return Finding("subordinate ids", Level.OK, f"{ids} ids")
