"""OCI artifacts: manifests that describe files instead of a container's root file system; pure.

A manifest is an artifact if its config is of no type that images have, or if it names an
artifactType and its config does not describe its layers. Each layer becomes one file, or the files
of an archive. Its name is that of an annotation: the title that ORAS writes, or the path that model
tools write. A layer without either is named by its digest, as podman does.

The bytes come from a registry. What cannot become a file below one directory is a ToolFailed.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cri_shim.errors import ToolFailed
from cri_shim.store import manifest
from cri_shim.store.manifest import MAX_SIZE, Blob, Content, digest_of
from cri_shim.untrusted import printable

TITLE = "org.opencontainers.image.title"
FILE_PATH = "org.cncf.model.filepath"  # of the model specification
UNPACK = "io.deis.oras.content.unpack"  # "true": the layer is an archive, to be unpacked
TAR_DIGEST = "io.deis.oras.content.digest"  # of that archive, not compressed
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"  # of a config or layer that stands for none
MAX_FILES = 1000  # a model has some hundred; every file is a request and a name in one directory
MAX_NAME = 1024  # bytes of a name with its directories
MAX_PART = 255  # bytes of one part of it: the limit of file systems
MAX_TYPE = 255  # characters: the limit of the specification of media types
_WHITEOUT = ".wh."  # some union file systems hide files by such names
# Types of a config whose image can run; the third is what some registries made of it.
_RUNNABLE = frozenset(
    {
        "",
        "application/vnd.oci.image.config.v1+json",
        "application/octet-stream",
        "application/vnd.docker.container.image.v1+json",
    }
)
_DOCKER = "application/vnd.docker."


@dataclass(frozen=True, slots=True)
class File:
    """One file of an artifact, or an archive that is unpacked to a directory of this name."""

    name: str  # relative, without ".", ".." and empty parts
    blob: Blob
    unpack: bool = False
    tar_digest: str = ""  # of the archive when it is not compressed; "": the artifact does not say


@dataclass(frozen=True, slots=True)
class Artifact:
    manifest: bytes
    config: bytes  # of any type and content
    type: str
    files: tuple[File, ...]

    @property
    def image_id(self) -> str:
        """Return the digest of the manifest: most artifacts have one and the same empty config."""
        return hashlib.sha256(self.manifest).hexdigest()

    @property
    def manifest_digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def layers(self) -> tuple[Blob, ...]:
        """Return each blob of a file once."""
        return tuple(dict.fromkeys(file.blob for file in self.files))

    @property
    def described(self) -> tuple[str, str]:
        """Return the digests of manifest and config."""
        return self.manifest_digest, digest_of(self.config)

    @property
    def tree(self) -> str:
        """Return the id of the layer with all its files."""
        return digest_of(f"artifact {self.manifest_digest}".encode())

    @property
    def diff_ids(self) -> tuple[str, ...]:
        return (self.tree,)

    @property
    def size(self) -> int:
        """Return the bytes of manifest, config and blobs."""
        return len(self.manifest) + len(self.config) + sum(blob.size for blob in self.layers)


def content(image_manifest: bytes, config: bytes) -> Content | Artifact:
    """Check manifest and config, and return what they describe."""
    fields = manifest.fields_of(image_manifest)
    if not _is_artifact(fields, config):
        return manifest.content(image_manifest, config)
    config_blob = manifest.config_of(fields)
    if config_blob != Blob(digest_of(config), len(config)):
        raise ToolFailed(
            f"the manifest of the artifact says that its config is {config_blob.digest} of"
            f" {config_blob.size} bytes, it is {digest_of(config)} of {len(config)}"
        )
    found = Artifact(image_manifest, config, _type(fields), _files(fields))
    if found.size > MAX_SIZE:
        raise ToolFailed(f"the manifest says that the artifact has {found.size} bytes")
    return found


def _is_artifact(fields: Mapping[str, Any], config: bytes) -> bool:
    described = fields.get("config")
    kind = described.get("mediaType") if isinstance(described, dict) else None
    if str(fields.get("mediaType") or "").startswith(_DOCKER):
        return False
    if str(kind or "") not in _RUNNABLE:
        return True
    return bool(fields.get("artifactType")) and not manifest.describes(config, len(_listed(fields)))


def _type(fields: Mapping[str, Any]) -> str:
    kind = fields.get("artifactType") or fields["config"].get("mediaType")
    if not isinstance(kind, str) or len(kind) > MAX_TYPE or kind != printable(kind):
        raise ToolFailed(f"the artifact has no valid type: {printable(repr(kind), 100)}")
    return kind


def _listed(fields: Mapping[str, Any]) -> Sequence[Any]:
    layers = fields.get("layers")
    if layers is None:
        return []
    if not isinstance(layers, list):
        raise ToolFailed("the layers of the artifact are no list")
    return layers


def _files(fields: Mapping[str, Any]) -> tuple[File, ...]:
    listed = _listed(fields)
    if len(listed) > MAX_FILES:
        raise ToolFailed(f"the artifact has {len(listed)} layers, at most {MAX_FILES} work")
    found = [_file(layer, number) for number, layer in enumerate(listed)]
    files = tuple(dict.fromkeys(file for file in found if file is not None))
    _check_apart(files)
    return files


def _file(layer: object, number: int) -> File | None:
    """Return the file of a layer; None for one that stands for no content."""
    what = f"layer {number} of the artifact"
    blob = manifest.layer_of(layer, what)
    assert isinstance(layer, dict)
    notes = layer.get("annotations")
    notes = {} if notes is None else notes
    if not isinstance(notes, dict) or not all(isinstance(v, str) for v in notes.values()):
        raise ToolFailed(f"the annotations of {what} are no texts")
    title = notes.get(TITLE) or notes.get(FILE_PATH)
    if not title:
        unnamed = File(blob.digest.replace(":", "-"), blob)
        return None if layer.get("mediaType") == EMPTY_TYPE else unnamed
    unpack = notes.get(UNPACK) == "true"
    return File(_name(title, what), blob, unpack, notes.get(TAR_DIGEST, "") if unpack else "")


def _name(title: str, what: str) -> str:
    parts = [part for part in title.split("/") if part not in ("", ".")]
    name = "/".join(parts)
    problem = ""
    if title.startswith("/"):
        problem = "it is absolute"
    elif ".." in parts:
        problem = "it leads out of the volume"
    elif not parts:
        problem = "it names no file"
    elif not title.isprintable():
        problem = "it has a character that cannot be printed"
    elif len(name.encode()) > MAX_NAME or any(len(part.encode()) > MAX_PART for part in parts):
        problem = f"it has more than {MAX_NAME} bytes, or a part of it more than {MAX_PART}"
    elif any(part.startswith(_WHITEOUT) for part in parts):
        problem = f"names with {_WHITEOUT} hide files in images"
    if problem:
        shown = printable(repr(title), 100)
        raise ToolFailed(f"{what} cannot become the file {shown}: {problem}")
    return name


def _check_apart(files: Iterable[File]) -> None:
    """Raise ToolFailed if two files have one place, or one is a directory of the other."""
    taken = set()
    for file in files:
        if file.name in taken:
            raise ToolFailed(f"two layers of the artifact are named {printable(repr(file.name))}")
        taken.add(file.name)
    for name in taken:
        above = name
        while above := above.rpartition("/")[0]:
            if above in taken:
                raise ToolFailed(
                    f"the artifact has the file {printable(repr(name))} below another layer's name"
                )
