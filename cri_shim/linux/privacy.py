"""Directories and files that other users of the machine cannot reach.

Everything below root and run root is only for the runtime, except one path: the path to a root file
system in a user namespace. The OCI runtime resolves it as the root of that namespace, which is
another user of the machine. The directories on this path let only the group of this root pass.
"""

import errno
import os
import struct
from collections.abc import Iterable
from pathlib import Path

_ACL = "system.posix_acl_access"
# linux/posix_acl_xattr.h: version 2; tag, permissions, id
_HEADER, _ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_VERSION, _NO_ID = 2, 0xFFFFFFFF
_USER_OBJ, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x04, 0x08, 0x10, 0x20
_PASS, _ALL = 1, 7
# A file system without ACLs, or without enough space for so many groups.
_NO_ACL = frozenset({errno.EOPNOTSUPP, errno.ENOSPC, errno.E2BIG, errno.ERANGE})


def make_private(directory: Path) -> None:
    """Make a directory for this user only, and the missing ones above it, in the same way.

    An existing directory is closed to others.
    """
    try:
        directory.mkdir(mode=0o700)
    except FileNotFoundError:
        if directory.parent.is_dir():
            raise  # a file system such as /proc, in which no directory can be made
        make_private(directory.parent)
        make_private(directory)
    except FileExistsError:
        mode = directory.stat().st_mode
        if mode & 0o077:
            directory.chmod(mode & 0o700)


def write_private(file: Path, content: str | bytes) -> None:
    """Write a file for this user only, completely or not at all. Raises OSError.

    surrogateescape: bytes that were not UTF-8 when they were read are written unchanged.
    """
    data = content if isinstance(content, bytes) else content.encode(errors="surrogateescape")
    draft = file.with_name(f".{file.name}")
    draft.unlink(missing_ok=True)
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as opened:
            opened.write(data)
        draft.rename(file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def let_group_pass(directory: Path, group: int) -> None:
    """Let only this group of the machine, and the owner, pass `directory`."""
    os.chown(directory, -1, group)
    directory.chmod(0o710)


def let_groups_pass(directory: Path, groups: Iterable[int]) -> None:
    """Let several groups pass, in place of the earlier ones, without an interruption for them.

    If the file system has no ACLs, every user can pass; to pass does not mean to list.
    """
    allowed = sorted(set(groups))
    entries = [(_USER_OBJ, _ALL, _NO_ID), (_GROUP_OBJ, 0, _NO_ID)]
    entries += [(_GROUP, _PASS, group) for group in allowed]
    entries += [(_MASK, _PASS, _NO_ID), (_OTHER, 0, _NO_ID)] if allowed else [(_OTHER, 0, _NO_ID)]
    value = _HEADER.pack(_VERSION) + b"".join(_ENTRY.pack(*entry) for entry in entries)
    try:
        os.setxattr(directory, _ACL, value)
    except OSError as e:
        if e.errno not in _NO_ACL:
            raise
        directory.chmod(0o711 if allowed else 0o700)
