"""The user of this runtime: root, or an unprivileged user with directories of its own.

Inside its user namespace (see cri_shim.rootless) an unprivileged user has the id 0. A variable of
the environment distinguishes it from the machine's root; the variable must match the namespace's
mapping.

The runtime directory of a user is found like libpod did: XDG_RUNTIME_DIR, else /run/user/UID, else
a private directory below /tmp. Another user that could write there would control the runtime, so
the directory is used only if it belongs to the user.
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


def unprivileged_user() -> int | None:
    """Return the user's id on this machine, also inside its user namespace; None for root."""
    if uid := os.geteuid():
        return uid
    user = os.environ.get(ENTERED, "")
    return int(user) if user and _uid_map().split()[:2] == ["0", user] else None


def _uid_map() -> str:
    return Path("/proc/self/uid_map").read_text()


def runtime_directory(
    uid: int,
    env: Mapping[str, str] = os.environ,
    *,
    login: Path = _LOGIN,
    fallback: Path = _FALLBACK,
) -> Path:
    """Return the directory for files that must not survive a reboot. The fallback may be missing.

    StateError if the directory of the environment cannot be trusted, or if none is usable.
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
    """Return the problem of a directory that must be ours, without `forbidden` mode bits; or ""."""
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
    """Return the directory for files that must survive a reboot."""
    return _base("XDG_DATA_HOME", ".local/share", uid) / "cri-shim"


def config_directory(uid: int) -> Path:
    """Return the directory of the user's configuration."""
    return _base("XDG_CONFIG_HOME", ".config", uid) / "cri-shim"


def _base(variable: str, below_home: str, uid: int) -> Path:
    named = os.environ.get(variable, "")
    return Path(named) if named.startswith("/") else home(uid) / below_home


def home(uid: int) -> Path:
    """Return the user's home directory; StateError if it is unknown."""
    if named := os.environ.get("HOME"):
        return Path(named)
    try:
        return Path(pwd.getpwuid(uid).pw_dir)
    except KeyError as e:
        raise StateError(f"user {uid} has no home directory: set HOME, or give --root") from e
