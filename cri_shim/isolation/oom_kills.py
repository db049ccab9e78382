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

_EVENTS, _LOCAL = "memory.events", "memory.events.local"
_REMEMBERED = 64  # containers of a slice that were killed last

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Account:
    """What of a slice's counts was accounted to containers that ended."""

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
        if parent in self._accounts or self._file(parent).exists():
            return
        self._prune()
        kills = _unaccounted(parent, without="", accounted=0)
        self._save(parent, _Account(kills, _count(parent / _LOCAL, "oom_group_kill")))

    def ended(self, id: str, group: Path) -> bool | None:
        """Whether the kernel has killed a process of the container for lack of memory.

        To be called at the end of every container, once it has no more processes; again for the
        same one gives the same answer. None where the slice does not count.
        """
        parent = group.parent
        if not (parent / _EVENTS).exists():
            return None
        account = self._account(parent)
        if id in account.killed:
            return True
        kills = _unaccounted(parent, without=group.name, accounted=account.kills)
        # A kill of the whole slice is that of every container that ends after it: they all do.
        if not kills and _count(parent / _LOCAL, "oom_group_kill") <= account.group_kills:
            return False
        killed = (*account.killed, id)[-_REMEMBERED:]
        self._save(parent, _Account(account.kills + kills, account.group_kills, killed))
        return True

    def _prune(self) -> None:
        """Drop the accounts of slices that are no more."""
        for parent in [parent for parent in self._accounts if not parent.exists()]:
            del self._accounts[parent]
            with suppress(FileNotFoundError):
                self._file(parent).unlink()

    def _account(self, parent: Path) -> _Account:
        if parent not in self._accounts:
            self._accounts[parent] = self._load(parent)
        return self._accounts[parent]

    def _load(self, parent: Path) -> _Account:
        try:
            found = json.loads(self._file(parent).read_text())
            return _Account(found["kills"], found["group_kills"], tuple(found["killed"]))
        except FileNotFoundError:
            return _Account()
        except (OSError, ValueError, KeyError, TypeError) as e:
            _log.warning("cannot read the account of kills in %s: %s", parent.name, e)
            return _Account()

    def _save(self, parent: Path, account: _Account) -> None:
        self._accounts[parent] = account
        if account == _Account():
            return  # what has no file is read as this
        file = self._file(parent)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = file.with_suffix(".new")
            draft.write_text(json.dumps(asdict(account)))
            draft.replace(file)
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


def _count(file: Path, key: str) -> int:
    return files.keyed(files.read(str(file))).get(key, 0)
