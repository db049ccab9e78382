"""The file system of what a pod's containers see under /etc: resolv.conf, hostname and hosts.

Containers may write to them, as with other runtimes, unless their root file system is read-only. So
each pod has a small file system of its own in memory: what a container writes is charged to its
control group as its other memory is, and is in its statistics; the kernel refuses more than ROOM.
"""

from pathlib import Path

from cri_shim.linux import mounts, privacy

ROOM = 4 << 20  # bytes that containers may add: a hosts file of 80,000 lines


def mount(directory: Path, content_bytes: int, *, label: str = "") -> None:
    """Mount it empty at `directory`, with space for files of `content_bytes` and ROOM more.

    Root alone may enter: containers get the files by bind mounts. `label` is the pod's SELinux
    label of files. Already mounted is fine.
    """
    privacy.make_private(directory)
    if not mounts.is_mounted(directory):
        mounts.tmpfs(directory, content_bytes + ROOM, 0o700, label=label)


def unmount(directory: Path) -> None:
    """End it; the memory is free when its last user is gone. Idempotent."""
    mounts.unmount(directory)
