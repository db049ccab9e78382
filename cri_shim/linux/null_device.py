"""Keeps the node's /dev/null root's.

crun before 1.24 gives its standard streams to the root of the container's user namespace, and
conmon gives it /dev/null as input. crun also mounts that device into the container, whose root
could then make it unusable for the whole node.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

_NULL = Path("/dev/null")
_MODE = 0o666
_ACL = "system.posix_acl_access"


def restore() -> None:
    """Make root its owner again, and readable and writable for all, if a container changed it."""
    with suppress(OSError):  # an unprivileged user may not change it
        facts = _NULL.stat()
        if (facts.st_uid, facts.st_gid) != (0, 0):
            os.chown(_NULL, 0, 0)
        if stat.S_IMODE(facts.st_mode) != _MODE:
            _NULL.chmod(_MODE)
        if _ACL in os.listxattr(_NULL):
            os.removexattr(_NULL, _ACL)
