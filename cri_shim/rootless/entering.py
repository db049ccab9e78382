"""Moves this process into its user's namespaces, existing or new ones, and releases them."""

import os
import pwd
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cri_shim import directories
from cri_shim.config import load, user
from cri_shim.errors import RootlessError, StateError
from cri_shim.linux import process
from cri_shim.options import Option, Options, StrPath, flat
from cri_shim.rootless import holder, join, mapping
from cri_shim.rootless.holder import Holder, HolderFile

# These variables tell programs of the podman family which user their root is. With them skopeo uses
# the user's own policy, credentials and signatures, and makes no namespace itself.
_THEIR_UID, _THEIR_MARK = "_CONTAINERS_ROOTLESS_UID", "_CONTAINERS_USERNS_CONFIGURED"
_MAP_S = 10.0  # for newuidmap and newgidmap, which read two small files


@dataclass(slots=True)
class _Made:
    """What this process made, so that `end_if_unused` can remove it if it is not used."""

    run_root: Path
    directories: list[Path]
    namespaces: bool


_made: _Made | None = None


def enter(*options: "Option | Options", config: StrPath | None = None) -> None:
    """Enter the user's namespaces. Do nothing for root, or if the process is there already.

    Pass the `options` and `config` of the Runtime: they define its run root. Call this before the
    first thread is started. ConfigError; StateError for directories that cannot be trusted;
    RootlessError for other problems.
    """
    if os.geteuid():
        path = None if config is None else Path(config)
        enter_for(load(path, flat(options)).server.run_root)


def enter_for(run_root: Path) -> None:
    """Like `enter`, for a known run root."""
    global _made
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        return
    if (threads := len(os.listdir("/proc/self/task"))) > 1:  # noqa: PTH208
        raise RootlessError(
            f"this process has {threads} threads, and the kernel moves only one with a single"
            " thread to another user namespace: call cri_shim.rootless.enter() first of all"
        )
    made = _Made(run_root, _directories(run_root), namespaces=False)
    try:
        with holder.record(run_root) as record:
            if (target := record.read() or join.by_conmon(run_root)) is not None:
                join.join(target)
                if record.read() is None:
                    _record(record, holder.start_here())
            else:
                _make(record, uid, gid)
                made.namespaces = True
    except BaseException:
        _clear(made)
        raise
    os.environ[user.ENTERED] = str(uid)
    os.environ.update({_THEIR_UID: str(uid), _THEIR_MARK: "done"})
    _made = made


def required() -> None:
    """Raise RootlessError if an unprivileged user's process is not in its namespaces."""
    if uid := os.geteuid():
        raise RootlessError(
            f"this process is user {uid}'s and in no user namespace of its own:"
            " call cri_shim.rootless.enter() first in main(), before any thread is started"
        )


def end_if_unused(run_root: Path, unused: bool | None) -> None:
    """End the holder if the runtime has left nothing in the namespaces; idempotent.

    `unused` is None for a runtime that never opened: then the holder is ended only if this process
    made it, because no other process can have left anything. If something is left and the holder
    was killed, a new holder is started.
    """
    global _made
    mine = _made if _made is not None and _made.run_root == run_root else None
    if user.unprivileged_user() is None or not run_root.is_dir():
        return
    if unused is None and (mine is None or not mine.namespaces):
        return
    with holder.record(run_root) as record:
        if unused is False:
            if record.read() is None:
                _record(record, holder.start_here())
            return
        if (held := record.read()) is not None:
            holder.end(held)
        record.remove()
    if mine is not None:
        _clear(mine)
        mine.directories.clear()


def _directories(run_root: Path) -> list[Path]:
    """Make the run root, for this user alone; return the new directories, outermost first."""
    made: list[Path] = []
    for each in reversed([d for d in (run_root, *run_root.parents) if not d.exists()]):
        try:
            each.mkdir(mode=0o700)
        except FileExistsError:  # made meanwhile, by another command of this user or by an attacker
            if problem := user.complaint(each, forbidden=0o077):
                raise StateError(f"{problem}: remove it, or name another run root") from None
            continue
        except OSError as e:
            raise StateError(f"cannot make the directory {each}: {e.strerror}") from e
        made.append(each)
    directories.check(run_root)
    return made


def _clear(made: _Made) -> None:
    """Remove the empty files and directories that were made."""
    with suppress(OSError):
        if (made.run_root / holder.NAME).stat().st_size == 0:
            (made.run_root / holder.NAME).unlink()
    for each in reversed(made.directories):
        with suppress(OSError):
            each.rmdir()


def _make(record: HolderFile, uid: int, gid: int) -> None:
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    ids = mapping.of_user(uid, gid, name)
    tools = [_tool("newuidmap"), _tool("newgidmap")]
    pid, release_w = holder.fork_new()
    try:
        for tool, arguments in zip(tools, (ids.uids, ids.gids), strict=True):
            _map([tool, str(pid), *arguments])
        _record(record, pid)
    except BaseException:
        record.clear()
        os.close(release_w)  # this ends the process
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    holder.release(release_w)
    held = record.read()
    if held is None:
        raise RootlessError("the process that was to hold the user namespace died; try again")
    join.join(held)


def _tool(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin")
    if found is None:
        raise RootlessError(
            f"{name} is not installed, without which no unprivileged user can have containers;"
            " as root: install the package uidmap (Debian) or shadow-utils (Fedora)"
        )
    return found


def _map(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_MAP_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise RootlessError(f"cannot run {command[0]}: {e}") from e
    if done.returncode:
        raise RootlessError(
            f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()};"
            f" it must be set-uid root and the ranges those of {mapping.SUBUID} and"
            f" {mapping.SUBGID}"
        )


def _record(record: HolderFile, pid: int) -> None:
    start = process.start_time(pid)
    if start is None:
        raise RootlessError("the process that was to hold the user namespace died; try again")
    record.write(Holder(pid, start))
