"""The blobs of images on this node: manifests and configs, and layers with `keep_blobs`.

The blobs of artifacts are kept, too: their files are other names of them.

    ROOT/images/blobs/sha256/HEX

Their disk usage is kept in memory: the directory is read once, at the start.
"""

import secrets
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from cri_shim.linux import disk
from cri_shim.linux.disk import Usage
from cri_shim.linux.privacy import make_private


class Blobs:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._taken: dict[str, int] = {}  # name -> bytes on the disk
        self._held: Counter[str] = Counter()  # digests that running pulls need

    def recover(self) -> list[Path]:
        """Find the blobs of the last daemon; return other files, which the caller must delete."""
        make_private(self.directory.parent)
        make_private(self.directory)
        strangers = []
        for file in self.directory.iterdir():
            if file.name[0] == "." or not file.is_file() or file.is_symlink():
                strangers.append(file)
            else:
                self._taken[file.name] = disk.allocated(file.stat())
        return strangers

    def path(self, digest: str) -> Path:
        """Return the path of the blob; an image id is the digest of its config."""
        return self.directory / digest.removeprefix("sha256:")

    def take(self, file: Path, digest: str) -> None:
        """Move a blob here. The caller must have hashed its content."""
        kept = self.path(digest)
        file.replace(kept)
        self._taken[kept.name] = disk.allocated(kept.stat())

    def names(self) -> set[str]:
        """Return the digests of the blobs that were taken and not removed since."""
        return {f"sha256:{name}" for name in self._taken}

    def held(self) -> set[str]:
        """Return the digests that running pulls hold."""
        return set(self._held)

    @contextmanager
    def hold(self, digests: Collection[str]) -> Iterator[None]:
        """Keep these blobs during the block, whether they exist already or not."""
        held = Counter(digests)
        self._held += held
        try:
            yield
        finally:
            self._held -= held

    def discard_all_but(self, digests: Collection[str]) -> list[Path]:
        """Remove all blobs but these and those that are held.

        They are gone at once; the caller must delete the returned paths later.
        """
        named = {digest.removeprefix("sha256:") for digest in (*digests, *self._held)}
        trash = []
        for name in self._taken.keys() - named:
            hidden = self.directory / f".trash-{secrets.token_hex(8)}"
            del self._taken[name]
            try:
                (self.directory / name).rename(hidden)
            except FileNotFoundError:
                continue
            trash.append(hidden)
        return trash

    def usage(self, digests: Collection[str] | None = None) -> Usage:
        """Return the usage of these blobs, or of all."""
        if digests is None:
            return Usage(sum(self._taken.values()), len(self._taken))
        names = {digest.removeprefix("sha256:") for digest in digests}
        here = [self._taken[name] for name in names if name in self._taken]
        return Usage(sum(here), len(here))
