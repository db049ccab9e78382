"""The pod's /dev/shm: a tmpfs on the host that all containers of the pod share."""

from pathlib import Path

from cri_shim.linux import mounts

SIZE = 64 << 20  # bytes; the size in every container runtime; POSIX shared memory users expect it


def mount_shm(
    directory: Path, size_bytes: int = SIZE, *, owner: tuple[int, int] = (0, 0), label: str = ""
) -> None:
    """Mount an empty shared memory file system on `directory`, which is made if it is missing.

    `owner` is the node's (uid, gid) of the pod's root. `label` is the pod's SELinux label of files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if not mounts.is_mounted(directory):
        mounts.tmpfs(directory, size_bytes, 0o1777, owner=owner, label=label)


def unmount(directory: Path) -> None:
    """Unmount it; the kernel frees the memory after its last user. Idempotent."""
    mounts.unmount(directory)
