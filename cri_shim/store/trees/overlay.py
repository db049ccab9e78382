"""The marks that overlayfs leaves in the directories that it writes to."""

import errno
import os
import stat

OPAQUE = "trusted.overlay.opaque"
USERS_OPAQUE = "user.overlay.opaque"  # the same in overlays that an unprivileged user mounts
PRIVATE = ("trusted.overlay.", "user.overlay.")  # prefixes of attributes that are not the files'
LABEL = "security.selinux"  # belongs to this machine, not to the file


def is_whiteout(status: os.stat_result) -> bool:
    """Whether it hides the entry of this name in the layers below."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(directory: str | bytes) -> bool:
    """Whether a directory hides the entries of the layers below."""
    return any(attribute(directory, name) in (b"y", b"Y") for name in (OPAQUE, USERS_OPAQUE))


def attribute(path: str | bytes, name: str) -> bytes:
    """Return an extended attribute; b"" if the object, or its file system, does not have it."""
    try:
        return os.getxattr(path, name)
    except OSError as e:
        if e.errno in (errno.ENODATA, errno.ENOTSUP, errno.ENOENT, errno.EPERM):
            return b""
        raise
