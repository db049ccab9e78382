"""Who besides root and this user may change a file, or turn the way to it elsewhere.

What the daemon executes, and what tells it what to execute, is as good as root: whoever can write
there is root of the node. A sentence says who that is, and what to do.

Inside an ordinary user's namespace the users that it does not map all have one number, the
machine's root among them: of those only the mode is looked at.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_MOST_LINKS = 40  # as the kernel
_ACL = "system.posix_acl_access"
_UNMAPPED = Path("/proc/sys/kernel/overflowuid")


def of_file(path: Path) -> str:
    """Who else may change what is in this file or directory; "" for nobody.

    OSError where it cannot be looked at.
    """
    return _complaint(path, path.stat())


def of_way(path: Path) -> str:
    """Who else may put another file in the place of this one; "" for nobody.

    Every directory above it counts, links followed, and every link. In a sticky directory, such as
    /tmp, nobody takes away what belongs to another. What is missing counts as nobody's.
    """
    try:
        return next(filter(None, _along(path)), "")
    except FileNotFoundError:
        return ""
    except OSError as e:
        return f"{path}: {e.strerror}"


def _along(path: Path) -> Iterator[str]:
    """A complaint, or "", about each directory and link on the way."""
    left = list(reversed(path.absolute().parts[1:]))
    here, links = Path("/"), 0
    while left:
        yield _complaint(here, here.stat(), sticky=True)
        name = left.pop()
        here = here.parent if name == ".." else here / name
        facts = here.lstat()
        if stat.S_ISLNK(facts.st_mode):
            yield _owned(here, facts, "the link ")
            target = here.readlink()
            left += reversed([part for part in target.parts if part != "/"])
            here = Path("/") if target.is_absolute() else here.parent
            links += 1
            if links > _MOST_LINKS:
                return
        elif left and not stat.S_ISDIR(facts.st_mode):
            return


def _complaint(path: Path, facts: os.stat_result, *, sticky: bool = False) -> str:
    if owned := _owned(path, facts):
        return owned
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


def _owned(path: Path, facts: os.stat_result, what: str = "") -> str:
    trusted = facts.st_uid in _trusted(os.geteuid())
    return "" if trusted else f"{what}{path} belongs to user {facts.st_uid}: change its owner"


def _has_acl(path: Path) -> bool:
    try:
        return bool(os.getxattr(path, _ACL))
    except OSError:
        return False


def _trusted(own: int) -> set[int]:
    """Root and this user (or their groups); what cannot be told from root in a user namespace."""
    mapped = Path("/proc/self/uid_map").read_text().split()
    whole = mapped[:3] == ["0", "0", "4294967295"]
    return {0, own} if whole else {0, own, int(_UNMAPPED.read_text())}
