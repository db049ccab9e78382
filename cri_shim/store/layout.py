"""The private OCI layout of one image during a transfer.

skopeo writes it when an image is pulled, and reads it when one is saved.
"""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from cri_shim.errors import ToolFailed
from cri_shim.linux.remove import remove_tree
from cri_shim.spec.image_config import MAX_BYTES
from cri_shim.store import artifact, manifest
from cri_shim.store.artifact import Artifact
from cri_shim.store.blobs import Blobs
from cri_shim.store.manifest import Content, digest_of
from cri_shim.untrusted import parse_json, read_file


class Layout:
    """A directory below `layouts`; `remove` deletes it."""

    def __init__(self, layouts: Path) -> None:
        self.path = layouts / secrets.token_hex(8)
        self.blobs = self.path / "blobs" / "sha256"
        self._placeholders: set[str] = set()  # digests

    def create(self, here: Mapping[str, int], kept: Blobs) -> None:
        """Make the directory, with the unpacked layers in `here`: digest -> size. Blocks.

        If the blob of such a layer was kept whole, it is linked; otherwise an empty file is its
        placeholder.
        """
        self.blobs.mkdir(parents=True, mode=0o700)
        self._placeholders.clear()
        for digest, size in here.items():
            if is_whole(kept.path(digest), size):
                self.blob(digest).hardlink_to(kept.path(digest))
            else:
                self.blob(digest).touch()
                self._placeholders.add(digest)

    def blob(self, digest: str) -> Path:
        return self.blobs / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        """Return whether the blob itself is here, and not only a placeholder."""
        return digest not in self._placeholders and self.blob(digest).is_file()

    def link(self, blob: Path) -> None:
        """Link a blob that is kept elsewhere on this file system."""
        target = self.blobs / blob.name
        if not target.exists():
            target.hardlink_to(blob)

    def write(self, data: bytes) -> str:
        """Write a blob; return its digest."""
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

    def content(self) -> Content | Artifact:
        """Return the verified manifest and config of the one image that was copied here. Blocks."""
        try:
            index = parse_json(read_file(self.path / "index.json", MAX_BYTES))
            digest = str(index["manifests"][0]["digest"])
        except (OSError, ValueError, LookupError, TypeError) as e:
            raise ToolFailed(f"skopeo left no usable index.json in {self.path}: {e}") from e
        image_manifest = self._read(digest, "manifest")
        config = self._read(manifest.config_digest(image_manifest), "image config")
        return artifact.content(image_manifest, config)

    def _read(self, digest: str, what: str) -> bytes:
        try:
            data = read_file(self.blob(digest), MAX_BYTES)
        except OSError as e:
            raise ToolFailed(f"skopeo left no blob {digest}: {e.strerror}") from e
        except ValueError as e:
            raise ToolFailed(f"the {what} {digest} {e}") from e
        if digest_of(data) != digest:
            raise ToolFailed(f"the blob {digest} has the digest {digest_of(data)}")
        return data

    def remove(self) -> None:
        """Delete the layout; idempotent; raises OSError. Blocks."""
        remove_tree(self.path)


def is_whole(blob: Path, size: int) -> bool:
    try:
        return blob.stat().st_size == size
    except FileNotFoundError:
        return False
