"""The root file system of a container: an overlay of its image's layers and its writable layer.

It is mounted `volatile`; without this option every unmount syncs the whole disk. The writable layer
is valid only until the end of the boot. The kernel marks such a layer and refuses it until the mark
is removed. After a clean end in the same boot the mark is removed; after another boot the content
of the layer is dropped.
"""

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from cri_shim.aio.offload import offload, opened
from cri_shim.errors import ToolFailed, Unavailable
from cri_shim.linux import idmap, marks, mounts, nsenter
from cri_shim.linux.remove import remove_tree
from cri_shim.spec.userns import UserNamespace
from cri_shim.store.mounting import fuse
from cri_shim.store.mounting.quotas import Quotas
from cri_shim.store.mounting.writable import WritableLayers
from cri_shim.store.trees import overlay

T = TypeVar("T")

_LOOK_BYTES = 1 << 16  # of a file system that has a few directories
_LEAST_LOWERS = 2  # of an overlay without a writable layer
_OWNED = "owned"  # directory where layers are mounted with a container's ids for a moment
_VOLATILE_MARK = "work/incompat/volatile"  # in the work directory


class Rootfs:
    def __init__(
        self,
        layers: Callable[[str], AbstractContextManager[Path]],
        containers: Path,
        boot_id: str,
        delete_later: Callable[[Sequence[Path]], None],
        describes_root: Callable[[str], bool | None],
        *,
        userns: bool = False,
        program: str = "",
    ) -> None:
        """Make one directory for each container in `containers`.

        `layers` opens a layer by its diff-id and yields its directory, see `Layers.opened`.
        `delete_later` gets paths with hidden names, which may be deleted in the background.
        `describes_root` returns whether a layer describes `/`; None if that is not known. `userns`:
        root of a user namespace makes the mounts; a `program` makes them instead of the kernel, see
        fuse.py.
        """
        self._userns = userns
        self._program = program
        self._layers = layers
        self._containers = containers
        self._boot = boot_id
        self._delete_later = delete_later
        self._describes_root = describes_root
        self.writable = WritableLayers(self.directory)
        self._quotas = Quotas(containers)

    def directory(self, container_id: str) -> Path:
        return self._containers / container_id

    def upper(self, container_id: str) -> Path:
        """Return the directory of the writable layer."""
        return self.directory(container_id) / "upper"

    async def prepare(
        self,
        container_id: str,
        layers: Sequence[str],
        target: Path,
        *,
        userns: UserNamespace | None = None,
        label: str = "",
        quota: int = 0,
    ) -> None:
        """Mount the root file system of a container at `target`, which is made if it is missing.

        `layers` are diff-ids, bottom first; the image's owners are ids of `userns`, if given.
        `label` is the SELinux label of all files; `quota` is the limit of a new writable layer in
        bytes, 0 for none. Idempotent. After a restart of the daemon the
        files that the container wrote are kept; after another boot the writable layer is empty.
        """
        self._delete_later(
            await offload(self._prepare, container_id, layers, target, userns, label, quota)
        )
        self.writable.add(container_id)
        if self._program and not mounts.is_mounted(target):
            own = self.directory(container_id)
            async with opened(self.lowers(layers)) as lowers:
                below = lowers or [own / "empty"]
                await fuse.mount(self._program, below, own / "upper", own / "work", target)

    async def mount_volume(
        self, layers: Sequence[str], target: Path, *, userns: UserNamespace | None = None
    ) -> None:
        """Mount an image at `target` for reading; idempotent.

        Even a single layer is mounted as an overlay, with empty directories as further layers: it
        cannot be remounted for writing, as a bind mount could, and other containers use the layer
        as well.
        """
        await offload(self._mount_volume, layers, target, userns)
        if self._program and not mounts.is_mounted(target):
            async with opened(self.lowers(layers)) as lowers:
                await fuse.mount(self._program, lowers, None, None, target)

    async def look(self, layers: Sequence[str], work: Callable[[Path], T]) -> T:
        """Return the result of `work`, which gets a path with the files of an image to read.

        Nobody else sees the mount, and it ends with the work. Unavailable if a program mounts.
        """
        if self._program:
            problem = "for a look into an image the kernel's overlay is needed"
            raise Unavailable(f"{problem}; images are mounted by {self._program}")
        self._containers.mkdir(parents=True, exist_ok=True)
        async with opened(self.lowers(layers)) as lowers:
            return await offload(nsenter.in_own_mounts, lambda: self._look(lowers, work))

    async def unmount(self, target: Path) -> None:
        """Unmount; idempotent."""
        await offload(mounts.unmount, target)

    async def remove(self, container_id: str, target: Path) -> None:
        """Unmount and delete the writable layer with everything in it; idempotent."""
        self.writable.forget(container_id)
        await offload(self._quotas.forget, self.directory(container_id))
        await self.unmount(target)
        await offload(_unmount_below, self.directory(container_id) / _OWNED)
        self._delete_later(_hide(self.directory(container_id)))

    def _prepare(
        self,
        container_id: str,
        layers: Sequence[str],
        target: Path,
        userns: UserNamespace | None,
        label: str,
        quota: int,
    ) -> list[Path]:
        target.mkdir(parents=True, exist_ok=True)
        if mounts.is_mounted(target):
            return []
        own = self.directory(container_id)
        try:
            with self.lowers(layers) as lowers:
                root = userns.ids.root if userns else (0, 0)
                stale = self._make_own(own, lowers, root, quota)
                if self._program:
                    return stale
                with _owned(lowers, own, userns) as owned:
                    mounts.overlay(
                        owned or [own / "empty"], own / "upper", own / "work", target,
                        userxattr=self._userns, label=label,
                    )  # fmt: skip
        except OSError as e:
            raise _failure(e, container_id, len(layers)) from e
        return stale

    def _mount_volume(
        self, layers: Sequence[str], target: Path, userns: UserNamespace | None
    ) -> None:
        with self.lowers(layers) as lowers:
            empty = [target.with_name(f"empty{n}") for n in range(_LEAST_LOWERS - len(lowers))]
            for directory in (target, *empty):
                directory.mkdir(parents=True, exist_ok=True)
            if not self._program and not mounts.is_mounted(target):
                with _owned(lowers, target.parent, userns) as owned:
                    mounts.overlay([*owned, *empty], None, None, target, userxattr=self._userns)

    def _look(self, lowers: Sequence[Path], work: Callable[[Path], T]) -> T:
        place = self._containers  # hidden meanwhile; no layer is below
        mounts.tmpfs(place, _LOOK_BYTES, 0o700)
        tree, *empty = [place / name for name in ("tree", "empty0", "empty1")]
        for directory in (tree, *empty):
            directory.mkdir()
        mounts.overlay([*lowers, *empty], None, None, tree, userxattr=self._userns)
        return work(tree)

    @contextmanager
    def lowers(self, layers: Sequence[str]) -> Iterator[list[Path]]:
        """Yield the directories of diff-ids, topmost first; NotFound if one is missing. Blocks.

        The name of each is the hexadecimal part of its diff-id. They may be used until the end of
        the block; overlays made of them keep them. The kernel accepts a directory only once: of a
        repeated one the topmost is used. The list ends at a layer that hides everything below it by
        an opaque mark at its root.
        """
        with ExitStack() as opening:
            lowers = []
            for layer in dict.fromkeys(reversed(layers)):
                lowers.append(opening.enter_context(self._layers(layer)))
                if overlay.is_opaque(str(lowers[-1])):  # at the root the kernel does not look
                    break
            yield lowers

    def _make_own(
        self, own: Path, lowers: Sequence[Path], root: tuple[int, int], quota: int
    ) -> list[Path]:
        """Prepare upper and work for the mount; return directories of another boot, to be deleted.

        `root` is the container's root as user and group of the node.
        """
        stale: list[Path] = []
        boot = own / "boot"
        if os.path.lexists(boot) and marks.read(boot) != self._boot:
            stale += _hide(own)
        if quota and not boot.exists():  # before anything is made in it
            own.mkdir(parents=True, exist_ok=True)
            self._quotas.limit(own, quota)
        for directory in ("upper", "work") if lowers else ("upper", "work", "empty"):
            (own / directory).mkdir(parents=True, exist_ok=True)
        if not boot.exists():
            own.chmod(0o700)
            self._like(own / "upper", lowers, root)
            marks.write(boot, self._boot)
        with suppress(OSError):
            remove_tree(own / "work" / _VOLATILE_MARK)
        return stale

    def _like(self, upper: Path, lowers: Sequence[Path], root: tuple[int, int]) -> None:
        """Give `/` the owner and mode of the image: those of the topmost layer that describes it.

        If no layer describes `/`, it belongs to root and has mode 0755. A described `/` may have
        the same values.
        """
        upper.chmod(0o755)
        os.chown(upper, *root)
        for lower in lowers:
            status = lower.stat()
            mode = stat.S_IMODE(status.st_mode)
            describes = self._describes_root(f"sha256:{lower.name}")
            if describes is None:
                describes = (status.st_uid, status.st_gid, mode) != (0, 0, 0o755)
            if describes:
                os.chown(upper, root[0] + status.st_uid, root[1] + status.st_gid)
                upper.chmod(mode)
                return


def _hide(directory: Path) -> list[Path]:
    """Rename the directory to a hidden name, which the next start deletes, too."""
    hidden = directory.with_name(f".{directory.name}-{secrets.token_hex(4)}")
    try:
        directory.rename(hidden)
    except FileNotFoundError:
        return []
    return [hidden]


@contextmanager
def _owned(lowers: list[Path], own: Path, userns: UserNamespace | None) -> Iterator[list[Path]]:
    """Yield the layers with the owners of `userns`, while the container's overlay is made."""
    if userns is None:
        yield lowers
        return
    _unmount_below(own / _OWNED)  # of an attempt that did not finish
    with idmap.bound(lowers, own / _OWNED, userns.path) as owned:
        yield owned


def _unmount_below(directory: Path) -> None:
    if directory.is_dir():
        for path in mounts.mounts_below(directory):
            mounts.unmount(path)


def _failure(error: OSError, container_id: str, depth: int) -> Exception:
    what = f"cannot mount the root file system of container {container_id}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(f"{what}: {error.strerror} at {error.filename}")
    return ToolFailed(f"{what} ({depth} layers): {error}")
