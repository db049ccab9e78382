"""Root file systems by fuse-overlayfs instead of the kernel's overlay, for an unprivileged user.

From Linux 5.11 on, root of a user namespace can mount an overlay, but not over every file system.
fuse-overlayfs runs in the background and ends with its mount, so only the mount has to be tracked.
It reads the layers and marks that the kernel's overlay makes.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cri_shim.aio import child
from cri_shim.errors import ToolFailed
from cri_shim.linux import mounts
from cri_shim.linux.remove import remove_tree

PROGRAMS = ("/usr/bin/fuse-overlayfs", "/usr/local/bin/fuse-overlayfs")
MOUNT_S = 30.0  # it takes some 10 ms
_TRIAL = ".overlay-trial"


def needed(root: Path, configured: str) -> str:
    """Return the program that mounts overlays below `root`; "" for the kernel. Blocks.

    `configured` is a program that is used in any case. ToolFailed with the kernel's reason if a
    program is needed and none is installed.
    """
    if configured:
        if not os.access(configured, os.X_OK):
            raise ToolFailed(f"image.mount_program: {configured} cannot be executed; correct it")
        return configured
    try:
        _try(root / _TRIAL)
    except OSError as e:
        program = next((p for p in PROGRAMS if os.access(p, os.X_OK)), "")
        if not program:
            raise ToolFailed(
                f"this kernel does not let an unprivileged user mount an overlay below {root}"
                f" ({e.strerror}), and fuse-overlayfs is not installed: install it"
            ) from e
        return program
    return ""


def _try(where: Path) -> None:
    lower, upper, work, merged = (where / name for name in ("lower", "upper", "work", "merged"))
    try:
        for part in (lower, upper, work, merged):
            part.mkdir(parents=True, exist_ok=True)
        mounts.overlay([lower], upper, work, merged, userxattr=True)
    finally:
        mounts.unmount(merged)
        with suppress(OSError):
            remove_tree(where)


async def mount(
    program: str, lowers: Sequence[Path], upper: Path | None, work: Path | None, target: Path
) -> None:
    """Mount `lowers`, topmost first, at `target`; read-only without an `upper`."""
    options = f"lowerdir={':'.join(map(os.fspath, lowers))}"
    options += f",upperdir={upper},workdir={work}" if upper is not None else ",ro"
    done = await child.run([program, "-o", options, str(target)], timeout=MOUNT_S)
    if done.returncode or not mounts.is_mounted(target):
        raise ToolFailed(f"{program} on {target}: {done.complaint()}")
