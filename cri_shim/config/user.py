"""Whose runtime this is: root's, or that of an ordinary user with directories of its own.

Inside of a user namespace that was made for it (see cri_shim.rootless) an ordinary user is root by
number; that it is not the machine's is told by our mark in the environment, which has to agree with
the namespace's mapping.

The runtime directory of a user is found as libpod found it: XDG_RUNTIME_DIR, else /run/user/UID,
else a private directory below /tmp. Whoever else could write there would rule what runs here, so it
is only used if it is the user's own.
"""

import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path

from cri_shim.errors import StateError

ENTERED = "CRI_SHIM_ROOTLESS_UID"  # in the environment of a process in its user namespace
_LOGIN = Path("/run/user")
_FALLBACK = Path("/tmp")


def ordinary_user() -> int | None:
    """The user's id on this machine, in its user namespace as well as before; None for root."""
    if uid := os.geteuid():
        return uid
    told = os.environ.get(ENTERED, "")
    return int(told) if told and _zero_here().split()[:2] == ["0", told] else None


def _zero_here() -> str:
    return Path("/proc/self/uid_map").read_text()


def runtime_directory(
    uid: int,
    env: Mapping[str, str] = os.environ,
    *,
    login: Path = _LOGIN,
    fallback: Path = _FALLBACK,
) -> Path:
    """Where what must not survive a reboot is, of user `uid`. The fallback need not exist yet.

    StateError for one that is named and cannot be trusted, or when nothing is left to choose.
    """
    if named := env.get("XDG_RUNTIME_DIR"):
        place = Path(named)
        if not place.is_absolute():
            raise StateError(f"XDG_RUNTIME_DIR is not an absolute path: {named!r}; correct it")
        if problem := complaint(place, forbidden=stat.S_IWGRP | stat.S_IWOTH):
            raise StateError(f"XDG_RUNTIME_DIR: {problem}; correct it, or unset it")
        return place
    of_login = login / str(uid)
    if not complaint(of_login, forbidden=0o077):
        return of_login
    private = fallback / f"cri-shim-{uid}"
    problem = complaint(private, forbidden=0o077)
    if problem and os.path.lexists(private):
        raise StateError(
            f"{problem}: it cannot be the runtime directory of user {uid}; remove it,"
            " or set XDG_RUNTIME_DIR to a directory of your own"
        )
    return private


def complaint(directory: Path, *, forbidden: int) -> str:
    """What is wrong with a directory that must be ours and have no `forbidden` mode bits; or ""."""
    try:
        facts = directory.lstat()
    except OSError as e:
        return f"{directory}: {e.strerror}"
    if stat.S_ISLNK(facts.st_mode):
        return f"{directory} is a symbolic link, of user {facts.st_uid}"
    if not stat.S_ISDIR(facts.st_mode):
        return f"{directory} is not a directory"
    if facts.st_uid != os.geteuid():
        return f"{directory} belongs to user {facts.st_uid}, not to {os.geteuid()}"
    if facts.st_mode & forbidden:
        return f"{directory} has mode {stat.S_IMODE(facts.st_mode):04o}: others may use it"
    return ""


def data_directory(uid: int) -> Path:
    """Where what must survive a reboot is."""
    return _base("XDG_DATA_HOME", ".local/share", uid) / "cri-shim"


def config_directory(uid: int) -> Path:
    """Where the user's own configuration is looked for."""
    return _base("XDG_CONFIG_HOME", ".config", uid) / "cri-shim"


def _base(variable: str, below_home: str, uid: int) -> Path:
    named = os.environ.get(variable, "")
    return Path(named) if named.startswith("/") else home(uid) / below_home


def home(uid: int) -> Path:
    """The user's home directory; StateError when nothing tells it."""
    if named := os.environ.get("HOME"):
        return Path(named)
    try:
        return Path(pwd.getpwuid(uid).pw_dir)
    except KeyError as e:
        raise StateError(f"user {uid} has no home directory: set HOME, or give --root") from e
