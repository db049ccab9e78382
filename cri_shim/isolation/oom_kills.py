"""Who was killed for lack of memory, where systemd removes a container's group before it is read.

systemd removes a scope as soon as its last process is gone, and its count of kills with it; the
slice above it, which is the pod's, counts them for good. So a container's kills are what its slice
counts, less what the groups in it count that are still there, and less what was accounted to the
containers that ended before.

What is accounted outlives the daemon, not a reboot: a small file for each slice, written only when
there was a kill. The count of a slice is that of control groups v2 (memory.events).
"""

import json
import logging
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from cri_shim.isolation import cgroup_files as files
from cri_shim.linux.privacy import make_private, write_private
from cri_shim.untrusted import parse_json, read_file

_LIMIT = 64 << 10  # bytes of an account; an id has 64
_EVENTS, _LOCAL = "memory.events", "memory.events.local"
_REMEMBERED = 64  # containers of a slice that were killed last

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Account:
    """What of a slice's counts was accounted to containers that ended."""

    slice: int  # the inode of its directory: another of the same name begins to count anew
    kills: int = 0
    group_kills: int = 0  # of the slice itself, by memory.oom.group, before the first container
    killed: tuple[str, ...] = ()  # ids of containers


class OomKills:
    """`directory` keeps the accounts; it is made when there is one to keep."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._accounts: dict[Path, _Account] = {}

    def begin(self, group: Path) -> None:
        """A container is about to have `group`: kills before the first one there are not ours."""
        parent = group.parent
        if not (inode := _inode(parent)) or self._account(parent, inode) is not None:
            return  # a slice that systemd will make for the container counts from nothing
        self._prune()
        kills = _unaccounted(parent, without="", accounted=0)
        self._save(parent, _Account(inode, kills, _count(parent / _LOCAL, "oom_group_kill")))

    def ended(self, id: str, group: Path) -> bool | None:
        """Whether the kernel has killed a process of the container for lack of memory.

        To be called at the end of every container, once it has no more processes; again for the
        same one gives the same answer. None where the slice does not count.
        """
        parent = group.parent
        inode = _inode(parent)
        if not inode or not (parent / _EVENTS).exists():
            return None
        account = self._account(parent, inode) or _Account(inode)
        if id in account.killed:
            return True
        kills = _unaccounted(parent, without=group.name, accounted=account.kills)
        # A kill of the whole slice is that of every container that ends after it: they all do.
        if not kills and _count(parent / _LOCAL, "oom_group_kill") <= account.group_kills:
            return False
        killed = (*account.killed, id)[-_REMEMBERED:]
        self._save(parent, _Account(inode, account.kills + kills, account.group_kills, killed))
        return True

    def _prune(self) -> None:
        """Drop the accounts of slices that are no more."""
        for parent in [p for p, account in self._accounts.items() if _inode(p) != account.slice]:
            del self._accounts[parent]
            with suppress(OSError):
                self._file(parent).unlink()

    def _account(self, parent: Path, inode: int) -> _Account | None:
        """That of the slice that is there now; None if it has none."""
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
            return  # what has no file is read as this
        file = self._file(parent)
        try:
            make_private(self._directory)
            write_private(file, json.dumps(asdict(account)))
        except OSError as e:  # the next daemon may take an old kill for a new one
            _log.warning("cannot keep the account of kills in %s: %s", parent.name, e)

    def _file(self, parent: Path) -> Path:
        return self._directory / f"{parent.name}.json"  # a slice's name says where it is


def _unaccounted(parent: Path, *, without: str, accounted: int) -> int:
    """The kills in a slice that neither an account has nor a group in it, but for `without`."""
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
    return files.keyed(files.read(str(file))).get(key, 0)
