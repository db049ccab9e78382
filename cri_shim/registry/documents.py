"""What a registry answers for a manifest: an index or a manifest, of OCI or Docker; pure."""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cri_shim.registry.failure import Failure
from cri_shim.untrusted import parse_json, printable

MAX_INDEX = 8 << 20  # bytes; an index of all platforms has some kilobytes
MAX_MANIFEST = 4 << 20  # bytes of a manifest or config, as the store's limit
EMPTY = b"{}"  # the config of most artifacts
_OCI = "application/vnd.oci.image"
_DOCKER = "application/vnd.docker.distribution.manifest"
INDEXES = (f"{_OCI}.index.v1+json", f"{_DOCKER}.list.v2+json")
MANIFESTS = (f"{_OCI}.manifest.v1+json", f"{_DOCKER}.v2+json")
ACCEPT = ", ".join([*MANIFESTS, *INDEXES, "*/*"])
_SCHEMA_1 = (f"{_DOCKER}.v1+json", f"{_DOCKER}.v1+prettyjws")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Document:
    data: bytes
    fields: Mapping[str, Any]
    is_index: bool

    @property
    def digest(self) -> str:
        return digest_of(self.data)


@dataclass(frozen=True, slots=True)
class Descriptor:
    digest: str
    size: int
    data: bytes | None  # the content, if the descriptor has it inside


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def parse(data: bytes, content_type: str, what: str) -> Document:
    """Return the document; Failure if it is neither an index nor a manifest of schema 2.

    `what` describes it in errors. The document's own type counts before the header's, and a
    document that is an index and a manifest at once is refused: programs would disagree about it.
    """
    try:
        fields = parse_json(data)
    except ValueError as e:
        raise Failure("invalid", f"the answer for {what} {e}") from e
    if not isinstance(fields, dict):
        raise Failure("invalid", f"the answer for {what} is not a JSON object")
    kind = fields.get("mediaType") or content_type.partition(";")[0].strip().lower()
    if kind in _SCHEMA_1 or fields.get("schemaVersion") == 1:
        raise Failure(
            "unsupported",
            f"{what} has a manifest of schema 1, which is not supported: push the image again"
            " as an OCI image or with schema 2",
        )
    lists, layers = "manifests" in fields, "config" in fields or "layers" in fields
    if lists and layers:
        raise Failure("invalid", f"{what} is an index and a manifest at once")
    if not (lists or layers) or (kind in INDEXES) > lists or (kind in MANIFESTS) > layers:
        shown = printable(kind, 100) or "no type"
        raise Failure("unsupported", f"{what} is not a container image or an index ({shown})")
    if not lists and len(data) > MAX_MANIFEST:
        raise Failure(
            "invalid", f"the manifest of {what} has {len(data)} bytes, more than {MAX_MANIFEST}"
        )
    return Document(data, fields, lists)


def entries(document: Document, what: str) -> list[Mapping[str, Any]]:
    """Return the entries of an index."""
    value = document.fields.get("manifests")
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise Failure("invalid", f"the index of {what} has no valid list of manifests")
    return value


def config(document: Document, what: str) -> Descriptor:
    """Return the descriptor of a manifest's config."""
    return descriptor(document.fields.get("config"), f"the config of {what}", MAX_MANIFEST)


def descriptor(value: object, what: str, limit: int) -> Descriptor:
    """Return a descriptor; Failure if it is malformed or of more than `limit` bytes."""
    fields = value if isinstance(value, dict) else {}
    digest, size = fields.get("digest"), fields.get("size")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise Failure("invalid", f"{what} has no valid sha256 digest: {printable(digest, 100)}")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Failure("invalid", f"{what} has no valid size: {printable(size, 100)}")
    if size > limit:
        raise Failure("invalid", f"{what} has {size} bytes, at most {limit} are taken")
    return Descriptor(digest, size, _inside(fields.get("data"), digest))


def _inside(value: object, digest: str) -> bytes | None:
    """Return the content in a descriptor's `data`, unless it is not that of the digest."""
    try:
        data = base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except binascii.Error:
        return None
    return data if data is not None and digest_of(data) == digest else None
