"""The file systems in memory that a pod has on the node: its /dev/shm, and its files of /etc.

Containers may write to resolv.conf, hostname and hosts, as with other runtimes, unless their root
file system is read-only. So each pod has a small file system of its own for them. A container's
writes are charged to its control group as its other memory is, and are in its statistics. The
kernel refuses more than ETC_ROOM.
"""

from pathlib import Path

from cri_shim.linux import mounts, privacy

# Bytes; the size in every container runtime, which users of POSIX shared memory expect.
SHM_SIZE = 64 << 20
ETC_ROOM = 4 << 20  # bytes that containers may add: a hosts file of 80,000 lines


def mount_shm(directory: Path, *, owner: tuple[int, int] = (0, 0), label: str = "") -> None:
    """Mount an empty shared memory file system on `directory`, which is made if it is missing.

    `owner` is the node's (uid, gid) of the pod's root. `label` is the pod's SELinux label of files.
    Already mounted is success.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if not mounts.is_mounted(directory):
        mounts.tmpfs(directory, SHM_SIZE, 0o1777, owner=owner, label=label)


def mount_etc(directory: Path, content_bytes: int, *, label: str = "") -> None:
    """Mount it empty at `directory`, with space for files of `content_bytes` and ETC_ROOM more.

    Only root may enter: containers get the files by bind mounts. Otherwise like `mount_shm`.
    """
    privacy.make_private(directory)
    if not mounts.is_mounted(directory):
        mounts.tmpfs(directory, content_bytes + ETC_ROOM, 0o700, label=label)


def unmount(directory: Path) -> None:
    """Unmount it; the kernel frees the memory after its last user. Idempotent."""
    mounts.unmount(directory)
