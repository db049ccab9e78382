"""Checks whether other users than root and this one may change a file or redirect its path.

A user who can change a program that the daemon executes, or a file that names it, can become root
of the node. The functions return a sentence that names this user and says what to do.

Inside a rootless user namespace all unmapped users have the same id, also the machine's root.
For files of this id only the mode is checked.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_MOST_LINKS = 40  # the kernel's limit
_ACL = "system.posix_acl_access"
_UNMAPPED = Path("/proc/sys/kernel/overflowuid")


def of_file(path: Path) -> str:
    """Return who else may change this file or directory; "" if there is no such user.

    OSError if it cannot be checked.
    """
    return _access_problem(path, path.stat())


def of_way(path: Path) -> str:
    """Return who else may replace this file by another one; "" if there is no such user.

    Every directory above it is checked, with links followed, and every link. In a sticky directory,
    such as /tmp, users cannot remove files of others. A missing file has no problem.
    """
    try:
        return next(filter(None, _along(path)), "")
    except FileNotFoundError:
        return ""
    except OSError as e:
        return f"{path}: {e.strerror}"


def _along(path: Path) -> Iterator[str]:
    """Yield the problem, or "", of each directory and link in the path."""
    left = list(reversed(path.absolute().parts[1:]))
    here, links = Path("/"), 0
    while left:
        yield _access_problem(here, here.stat(), sticky=True)
        name = left.pop()
        here = here.parent if name == ".." else here / name
        facts = here.lstat()
        if stat.S_ISLNK(facts.st_mode):
            yield _owner_problem(here, facts, "the link ")
            target = here.readlink()
            left += reversed([part for part in target.parts if part != "/"])
            here = Path("/") if target.is_absolute() else here.parent
            links += 1
            if links > _MOST_LINKS:
                return
        elif left and not stat.S_ISDIR(facts.st_mode):
            return


def _access_problem(path: Path, facts: os.stat_result, *, sticky: bool = False) -> str:
    if problem := _owner_problem(path, facts):
        return problem
    if sticky and facts.st_mode & stat.S_ISVTX:
        return ""
    if facts.st_mode & stat.S_IWOTH:
        return f"everybody may write to {path}: chmod o-w"
    if facts.st_mode & stat.S_IWGRP:
        if facts.st_gid not in _trusted(os.getegid()):
            return f"group {facts.st_gid} may write to {path}: chmod g-w"
        if _has_acl(path):
            return f"others may write to {path} by its access control list: setfacl -b"
    return ""


def _owner_problem(path: Path, facts: os.stat_result, what: str = "") -> str:
    trusted = facts.st_uid in _trusted(os.geteuid())
    return "" if trusted else f"{what}{path} belongs to user {facts.st_uid}: change its owner"


def _has_acl(path: Path) -> bool:
    try:
        return bool(os.getxattr(path, _ACL))
    except OSError:
        return False


def _trusted(own: int) -> set[int]:
    """Return root, this user (or groups), and in a user namespace the id of unmapped users."""
    mapped = Path("/proc/self/uid_map").read_text().split()
    whole = mapped[:3] == ["0", "0", "4294967295"]
    return {0, own} if whole else {0, own, int(_UNMAPPED.read_text())}
