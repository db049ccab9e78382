"""The private OCI layout of one image on its way: what skopeo finds there, and what it leaves.

skopeo writes it when an image is pulled, and reads it when one is saved.
"""

import contextlib
import json
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from cri_shim.errors import ToolFailed
from cri_shim.store import manifest
from cri_shim.store.manifest import Content, digest_of


class Layout:
    """A directory below `layouts`, gone after `remove`."""

    def __init__(self, layouts: Path) -> None:
        self.path = layouts / secrets.token_hex(8)
        self._blobs = self.path / "blobs" / "sha256"

    def create(self, placeholders: Iterable[str], kept: Path) -> None:
        """Make the directory. For each digest of `placeholders`, the layer is here already.

        A blob that was kept whole in `kept` is linked in; for the others an empty file does.
        """
        self._blobs.mkdir(parents=True, mode=0o700)
        for digest in placeholders:
            hex = digest.removeprefix("sha256:")
            try:
                (self._blobs / hex).hardlink_to(kept / hex)
            except FileNotFoundError:
                (self._blobs / hex).touch()

    def blob(self, digest: str) -> Path:
        return self._blobs / digest.removeprefix("sha256:")

    def has(self, digest: str, size: int) -> bool:
        """Whether a blob is here whole, not as a placeholder."""
        return is_whole(self.blob(digest), size)

    def link(self, blob: Path) -> None:
        """Have a blob here that is kept elsewhere on this file system."""
        target = self._blobs / blob.name
        if not target.exists():
            target.hardlink_to(blob)

    def write(self, data: bytes) -> str:
        """Make a blob; its digest."""
        digest = digest_of(data)
        self.blob(digest).write_bytes(data)
        return digest

    def finish(self, image_manifest: bytes) -> None:
        """Make it the layout of this manifest's image, whose blobs are here."""
        entry = {
            "mediaType": manifest.media_type(image_manifest),
            "digest": self.write(image_manifest),
            "size": len(image_manifest),
        }
        index = {"schemaVersion": 2, "manifests": [entry]}
        (self.path / "index.json").write_text(json.dumps(index))
        (self.path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def content(self) -> Content:
        """Manifest and config of the one image that was copied here, verified."""
        try:
            index = json.loads((self.path / "index.json").read_bytes())
            digest = str(index["manifests"][0]["digest"])
        except (OSError, ValueError, LookupError, TypeError) as e:
            raise ToolFailed(f"skopeo left no usable index.json in {self.path}: {e}") from e
        image_manifest = self._read(digest)
        return manifest.content(image_manifest, self._read(manifest.config_digest(image_manifest)))

    def _read(self, digest: str) -> bytes:
        try:
            data = self.blob(digest).read_bytes()
        except OSError as e:
            raise ToolFailed(f"skopeo left no blob {digest}: {e.strerror}") from e
        if digest_of(data) != digest:
            raise ToolFailed(f"the blob {digest} has the digest {digest_of(data)}")
        return data

    def remove(self) -> None:
        """Idempotent; raises OSError."""
        with contextlib.suppress(FileNotFoundError):  # it may not have been made yet
            shutil.rmtree(self.path)


def is_whole(blob: Path, size: int) -> bool:
    try:
        return blob.stat().st_size == size
    except FileNotFoundError:
        return False
