"""Chooses what new layers become, by trying: a file system of a few bytes is made and mounted."""

import os
import secrets
import stat
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from cri_shim.errors import ConfigError, CriShimError
from cri_shim.linux import mounts
from cri_shim.linux.remove import remove_tree
from cri_shim.store.erofs import image
from cri_shim.store.erofs.blocks import Blocks
from cri_shim.store.erofs.files import Files
from cri_shim.store.mounting.layer_mounts import LayerMounts

AUTO, EROFS, DIRECTORIES = "auto", "erofs", "directories"
_CONTENT = b"EROFS works here"
_TRIAL = ".trial-"


@dataclass(frozen=True, slots=True)
class LayerStore:
    kind: str  # EROFS or DIRECTORIES
    reason: str


def choose(wanted: str, directory: Path, layer_mounts: LayerMounts) -> LayerStore:
    """Return what new layers below `directory` become; ConfigError as of `without`. Blocks."""
    if wanted == DIRECTORIES:
        return LayerStore(DIRECTORIES, "the configuration says so")
    try:
        _try(directory, layer_mounts)
    except (OSError, CriShimError) as e:
        return without(wanted, str(e))
    return LayerStore(EROFS, "the kernel mounts such files")


def without(wanted: str, reason: str) -> LayerStore:
    """Return the choice if EROFS cannot be used; ConfigError if it is wanted."""
    if wanted == EROFS:
        raise ConfigError(
            f'image.layer_store = "erofs" is not possible on this node: {reason}; use "auto" or'
            ' "directories"'
        )
    return LayerStore(DIRECTORIES, reason)


def _try(directory: Path, layer_mounts: LayerMounts) -> None:
    for left in mounts.mounts_below(directory):
        if left.parent.name.startswith(_TRIAL):  # of a daemon that was killed
            mounts.unmount(left)
    name = f"{_TRIAL}{secrets.token_hex(4)}"
    file, overlay = directory / f"{name}.erofs", directory / name
    try:
        _make(file)
        overlay.mkdir()
        with layer_mounts.opened(name, file) as mounted:
            if (mounted / "file").read_bytes() != _CONTENT:
                raise OSError("a file in an EROFS file system has another content")
            for part in ("upper", "work", "merged"):
                (overlay / part).mkdir()
            mounts.overlay([mounted], overlay / "upper", overlay / "work", overlay / "merged")
            if os.listdir(overlay / "merged") != ["file"]:  # noqa: PTH208
                raise OSError("an overlay does not know a mark of EROFS")
    finally:
        mounts.unmount(overlay / "merged")
        layer_mounts.drop(name)
        with suppress(OSError):  # the next start deletes what is left
            file.unlink(missing_ok=True)
            remove_tree(overlay)


def _make(file: Path) -> None:
    """Write a file system with one file, and a mark that hides another."""
    with file.open("xb", buffering=0) as written, closing(Blocks(written.fileno())) as blocks:
        files = Files(blocks)
        opened = files.open("/file", 0o644)
        files.write(opened, _CONTENT)
        files.close(opened)
        files.mknod("/hidden", stat.S_IFCHR, os.makedev(0, 0))
        image.finish(files.root, blocks, secrets.token_bytes(16))
