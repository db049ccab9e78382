"""Attributes kills for lack of memory, where systemd removes a container's group before a read.

systemd removes a scope, and its count of kills, when its last process ends. The slice above it,
which is the pod's, keeps its count. So a container's kills are the count of its slice, less the
counts of the groups that still exist in it, and less the kills attributed to containers that ended
before.

These attributed kills are kept in a small file for each slice, written only after a kill. They
survive the daemon, not a reboot. The count of a slice is that of control groups v2 (memory.events).
"""

import json
import logging
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from cri_shim.isolation import cgroup_files
from cri_shim.linux.privacy import make_private, write_private
from cri_shim.untrusted import parse_json, read_file

_LIMIT = 64 << 10  # bytes of an account; an id has 64
_EVENTS, _LOCAL = "memory.events", "memory.events.local"
_REMEMBERED = 64  # the last killed containers of a slice

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Account:
    """The part of a slice's counts that was attributed to ended containers."""

    slice: int  # the inode of its directory: a new slice of the same name counts from zero
    kills: int = 0
    group_kills: int = 0  # of the slice itself, by memory.oom.group, before the first container
    killed: tuple[str, ...] = ()  # ids of containers


class OomKills:
    """`directory` keeps the accounts; it is made with the first one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._accounts: dict[Path, _Account] = {}

    def begin(self, group: Path) -> None:
        """Prepare for a container in `group`: kills before the first container do not count."""
        parent = group.parent
        if not (inode := _inode(parent)) or self._account(parent, inode) is not None:
            return  # a slice that systemd makes for the container counts from zero
        self._prune()
        kills = _unaccounted(parent, without="", accounted=0)
        self._save(parent, _Account(inode, kills, _count(parent / _LOCAL, "oom_group_kill")))

    def ended(self, id: str, group: Path) -> bool | None:
        """Return whether the kernel has killed a process of the container for lack of memory.

        Call it at the end of every container, when it has no more processes; a repeated call gives
        the same answer. None if the slice does not count.
        """
        parent = group.parent
        inode = _inode(parent)
        if not inode or not (parent / _EVENTS).exists():
            return None
        account = self._account(parent, inode) or _Account(inode)
        if id in account.killed:
            return True
        kills = _unaccounted(parent, without=group.name, accounted=account.kills)
        # A kill of the whole slice counts for every container that ends after it: all of them end.
        if not kills and _count(parent / _LOCAL, "oom_group_kill") <= account.group_kills:
            return False
        killed = (*account.killed, id)[-_REMEMBERED:]
        self._save(parent, _Account(inode, account.kills + kills, account.group_kills, killed))
        return True

    def _prune(self) -> None:
        """Drop the accounts of slices that no longer exist."""
        for parent in [p for p, account in self._accounts.items() if _inode(p) != account.slice]:
            del self._accounts[parent]
            with suppress(OSError):
                self._file(parent).unlink()

    def _account(self, parent: Path, inode: int) -> _Account | None:
        """Return the account of the slice that exists now; None if it has none."""
        if parent not in self._accounts and (found := self._load(parent)) is not None:
            self._accounts[parent] = found
        account = self._accounts.get(parent)
        return account if account is not None and account.slice == inode else None

    def _load(self, parent: Path) -> _Account | None:
        try:
            found = parse_json(read_file(self._file(parent), _LIMIT))
            inode, kills, groups = (int(found[name]) for name in ("slice", "kills", "group_kills"))
            return _Account(inode, kills, groups, tuple(map(str, found["killed"])))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as e:
            _log.warning("cannot read the account of kills in %s: %s", parent.name, e)
            return None

    def _save(self, parent: Path, account: _Account) -> None:
        self._accounts[parent] = account
        if account == _Account(account.slice):
            return  # a missing file is read as this
        file = self._file(parent)
        try:
            make_private(self._directory)
            write_private(file, json.dumps(asdict(account)))
        except OSError as e:  # the next daemon may take an old kill for a new one
            _log.warning("cannot keep the account of kills in %s: %s", parent.name, e)

    def _file(self, parent: Path) -> Path:
        return self._directory / f"{parent.name}.json"  # the name of a slice contains its path


def _unaccounted(parent: Path, *, without: str, accounted: int) -> int:
    """Return the slice's kills that no account and no group except `without` has counted."""
    more = _count(parent / _EVENTS, "oom_kill") - accounted
    if more <= 0:
        return 0
    with suppress(OSError), os.scandir(parent) as entries:
        names = [e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name != without]
        more -= sum(_count(parent / name / _EVENTS, "oom_kill") for name in names)
    return max(0, more)


def _inode(parent: Path) -> int:
    try:
        return parent.stat().st_ino
    except OSError:
        return 0


def _count(file: Path, key: str) -> int:
    return cgroup_files.keyed(cgroup_files.read(str(file))).get(key, 0)
