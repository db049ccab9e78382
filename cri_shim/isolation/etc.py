"""The file system of a pod's files of /etc: resolv.conf, hostname and hosts.

Containers may write to these files, as with other runtimes, unless their root file system is
read-only. So each pod has a small file system of its own in memory. A container's writes are
charged to its control group as its other memory is, and are in its statistics. The kernel refuses
more than ROOM.
"""

from pathlib import Path

from cri_shim.linux import mounts, privacy

ROOM = 4 << 20  # bytes that containers may add: a hosts file of 80,000 lines


def mount(directory: Path, content_bytes: int, *, label: str = "") -> None:
    """Mount it empty at `directory`, with space for files of `content_bytes` and ROOM more.

    Only root may enter: containers get the files by bind mounts. `label` is the pod's SELinux label
    of files. Already mounted is success.
    """
    privacy.make_private(directory)
    if not mounts.is_mounted(directory):
        mounts.tmpfs(directory, content_bytes + ROOM, 0o700, label=label)


def unmount(directory: Path) -> None:
    """Unmount it; the kernel frees the memory after its last user. Idempotent."""
    mounts.unmount(directory)
