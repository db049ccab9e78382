"""The pod's /dev/shm: a tmpfs on the host that every container of the pod gets."""

from pathlib import Path

from cri_shim.linux import mounts

SIZE = 64 << 20  # bytes; what every container runtime gives, and POSIX shared memory users expect


def mount_shm(
    directory: Path, size_bytes: int = SIZE, *, owner: tuple[int, int] = (0, 0), label: str = ""
) -> None:
    """Mount an empty shared memory file system on `directory`, which is made if need be.

    `owner` is what the pod's root is on the node, user and group; `label` is the pod's SELinux
    label of files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if not mounts.is_mounted(directory):
        mounts.tmpfs(directory, size_bytes, 0o1777, owner=owner, label=label)


def unmount(directory: Path) -> None:
    """End it; the memory is free when its last user is gone. Idempotent."""
    mounts.unmount(directory)
