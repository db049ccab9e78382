"""Lines of /etc/passwd and /etc/group for a user that the image does not know.

A pod may have any uid, and some programs refuse to run as a user without a name. The lines are
appended to the container's own files, which keep their owner and mode. No process runs in the root
file system yet. An image without these files gets none.
"""

from collections.abc import Mapping
from pathlib import Path

from cri_shim.linux.rootfs import append_in_root, read_text_in_root
from cri_shim.spec import users
from cri_shim.spec.users import User

_UNSAFE = frozenset(":\n\r\0")


def complete(root: Path, user: User, environment: Mapping[str, str]) -> None:
    """Append the lines that are missing. The home directory is HOME of the environment. Blocks.

    OSError if a file cannot be written.
    """
    passwd = read_text_in_root(root, "/etc/passwd", users.FILE_LIMIT)
    known = users.names(passwd)
    if passwd and user.uid not in known:
        name = "default" if "default" not in known.values() else str(user.uid)
        home = environment.get("HOME", "/")
        home = "/" if _UNSAFE & set(home) else home
        line = f"{name}:x:{user.uid}:{user.gid}:{name} user:{home}:/sbin/nologin\n"
        _append(root, "/etc/passwd", passwd, line)
    group = read_text_in_root(root, "/etc/group", users.FILE_LIMIT)
    if group and user.gid not in users.group_ids(group):
        _append(root, "/etc/group", group, f"{user.gid}:x:{user.gid}:\n")


def _append(root: Path, path: str, text: str, line: str) -> None:
    append_in_root(root, path, ("" if text.endswith("\n") else "\n") + line)
