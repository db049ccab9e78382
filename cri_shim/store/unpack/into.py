"""The program `into ROOT PATH UID GID`: extracts the tar on its standard input below ROOT.

If PATH is a directory, the top entry of the tar comes into it. Otherwise the entry becomes PATH,
whose parent must be a directory. ROOT is
the root file system of a container, whose processes may change it meanwhile. This process confines
itself to it first: no link leads out, and no device opens. It prints a line of JSON. Exit status 0,
1 with the reason on stderr, or NO_SPACE_EXIT.
"""

import errno
import os
import sys
import tarfile

from cri_shim.store.unpack import confine
from cri_shim.store.unpack.copied import Copied, place
from cri_shim.store.unpack.failure import NO_SPACE_EXIT


def main(root: str, path: str, uid: str, gid: str) -> None:
    """Extract and exit."""
    try:
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|", errorlevel=2) as archive:
            confine.enter(root)
            top, name = place(path)
            for member in archive:
                Copied(top, name, member, (int(uid), int(gid))).make(archive)
    except (OSError, ValueError, tarfile.TarError) as e:
        no_space = isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT)
        sys.stderr.write(str(e).encode(errors="backslashreplace").decode() + "\n")
        sys.stderr.flush()
        os._exit(NO_SPACE_EXIT if no_space else 1)
    print("{}", flush=True)
    os._exit(0)
