"""Manifests and image configs, as OCI and Docker (schema 2) write them; pure.

The bytes come from a registry. A value that is missing, has the wrong type or is beyond a limit is
a ToolFailed with that reason, never a KeyError. `content` checks every image: its result can be
stored, listed and run.
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cri_shim.errors import InvalidArgument, ToolFailed
from cri_shim.spec import image_config
from cri_shim.spec.image_config import MAX_BYTES
from cri_shim.untrusted import parse_json, printable

MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"  # not compressed
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
MAX_LAYERS = 500  # different ones: the limit of the kernel's overlay
MAX_SIZE = (1 << 63) - 1  # bytes of an image: every program can count these
# Layers that cannot be unpacked: a part of their media type -> the reason.
_UNUSABLE = {
    ".foreign.": "its content is not kept in the registry (a foreign layer)",
    "nondistributable": "its content is not kept in the registry (a non-distributable layer)",
    "+encrypted": "it is encrypted, and cri-shim cannot decrypt layers: push a copy that is not"
    " encrypted to a registry of yours (skopeo copy --decryption-key KEY), and pull that",
}
_ARCHITECTURES = {  # uname's machine -> Go's name, which images use
    "x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm",
    "i686": "386", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Blob:
    digest: str  # sha256:...
    size: int  # bytes, as in the registry


@dataclass(frozen=True, slots=True)
class Content:
    """One image: its manifest, its config, and its layers bottom first."""

    manifest: bytes
    config: bytes
    layers: tuple[Blob, ...]
    diff_ids: tuple[str, ...]  # one for each layer: sha256 of its uncompressed tar

    @property
    def image_id(self) -> str:
        return hashlib.sha256(self.config).hexdigest()

    @property
    def manifest_digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def described(self) -> tuple[str, str]:
        """Return the digests of manifest and config."""
        return self.manifest_digest, f"sha256:{self.image_id}"

    @property
    def size(self) -> int:
        """Return the bytes of manifest, config and compressed layers."""
        return len(self.manifest) + len(self.config) + sum(layer.size for layer in self.layers)


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def host_architecture(machine: str = "") -> str:
    """Return this machine's architecture by the name that images use."""
    machine = machine or platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def fields_of(manifest: bytes) -> Mapping[str, Any]:
    """Return the manifest as a JSON object."""
    return _fields(manifest, "manifest")


def config_digest(manifest: bytes) -> str:
    """Return the digest of the image's config blob."""
    return config_of(_fields(manifest, "manifest")).digest


def layers_of(manifest: bytes) -> tuple[Blob, ...]:
    """Return the layer blobs, bottom first."""
    return _layers(_fields(manifest, "manifest"))


def config_of(fields: Mapping[str, Any]) -> Blob:
    return _blob(fields.get("config"), "the manifest config")


def _layers(fields: Mapping[str, Any]) -> tuple[Blob, ...]:
    layers = fields.get("layers")
    if not isinstance(layers, list):
        raise ToolFailed("the manifest lists no layers: it is not that of a container image")
    return tuple(
        layer_of(layer, f"the manifest layer {number}") for number, layer in enumerate(layers)
    )


def layer_of(value: object, what: str) -> Blob:
    """Return the blob of a layer's descriptor; `what` names the layer in errors."""
    kind = value.get("mediaType") if isinstance(value, dict) else None
    for part, problem in _UNUSABLE.items():
        if part in str(kind):
            raise ToolFailed(f"{what} is of the type {printable(kind)}: {problem}")
    return _blob(value, what)


def descriptors_of(manifest: bytes) -> list[dict[str, Any]]:
    """Return the layers as descriptors of OCI, bottom first; Docker's types are converted."""
    layers_of(manifest)  # checks them
    found = []
    for layer in _fields(manifest, "manifest")["layers"]:
        kind = str(layer.get("mediaType") or LAYER_TYPE)
        if kind.startswith(_DOCKER_LAYER):
            compression = kind.removeprefix(_DOCKER_LAYER).lstrip(".")
            kind = f"{LAYER_TYPE}+{compression}" if compression else LAYER_TYPE
        found.append({**layer, "mediaType": kind})
    return found


def media_type(manifest: bytes) -> str:
    """Return the manifest's own media type; an OCI manifest may have none."""
    return str(_fields(manifest, "manifest").get("mediaType") or MEDIA_TYPE)


def compose(config: bytes, layers: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the OCI manifest of a config and the descriptors of its layers, bottom first."""
    described = {"mediaType": _CONFIG_TYPE, "digest": digest_of(config), "size": len(config)}
    fields = {"schemaVersion": 2, "mediaType": MEDIA_TYPE, "config": described}
    return json.dumps({**fields, "layers": list(layers)}, separators=(",", ":")).encode()


def plain_layer(diff_id: str, size: int) -> dict[str, Any]:
    """Return the descriptor of an uncompressed layer: its digest is its diff-id."""
    return {"mediaType": LAYER_TYPE, "digest": diff_id, "size": size}


def _diff_ids(fields: Mapping[str, Any]) -> tuple[str, ...]:
    rootfs = fields.get("rootfs")
    ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if ids is None:
        ids = []
    if not isinstance(ids, list) or not all(_is_digest(id) for id in ids):
        raise ToolFailed("the image config has no valid rootfs.diff_ids: it cannot be unpacked")
    return tuple(ids)


def describes(config: bytes, layers: int) -> bool:
    """Return whether a config is that of an image with so many layers."""
    try:
        return len(_diff_ids(_fields(config, "image config"))) == layers
    except ToolFailed:
        return False


def content(manifest: bytes, config: bytes) -> Content:
    """Check manifest and config of one image, also against each other, and return them."""
    fields = _fields(manifest, "manifest")
    layers, described = _layers(fields), config_of(fields)
    own = _fields(config, "image config")
    _refuse_manifest(own)
    diff_ids = _diff_ids(own)
    if len(layers) != len(diff_ids):
        raise ToolFailed(
            f"the manifest lists {len(layers)} layers and the config {len(diff_ids)} diff-ids:"
            " it is not a container image, or a broken one"
        )
    if len(set(diff_ids)) > MAX_LAYERS:
        raise ToolFailed(f"the image has {len(set(diff_ids))} layers, at most {MAX_LAYERS} work")
    try:
        image_config.parse(config)
    except InvalidArgument as e:
        raise ToolFailed(str(e)) from e
    if described.size != len(config):
        raise ToolFailed(
            f"the manifest says that the config has {described.size} bytes, it has {len(config)}"
        )
    found = Content(manifest, config, layers, diff_ids)
    if found.size > MAX_SIZE:
        raise ToolFailed(f"the manifest says that the image has {found.size} bytes")
    return found


def _refuse_manifest(config: Mapping[str, Any]) -> None:
    """Raise ToolFailed for a config that is a manifest.

    The id of an image is the digest of its config, that of an artifact the digest of its manifest:
    an image with the manifest of somebody's artifact as its config would take its place.
    """
    own = config.get("config")
    if isinstance(own, dict) and "digest" in own:
        raise ToolFailed("the image config is no image config but a manifest")


def check_platform(config: bytes, architecture: str) -> None:
    """Raise ToolFailed if the image is for another machine."""
    fields = _fields(config, "image config")
    os, arch = fields.get("os") or "linux", fields.get("architecture") or architecture
    if (os, arch) != ("linux", architecture):
        own = printable(f"{os}/{arch}")
        raise ToolFailed(f"the image is for {own}, this machine is linux/{architecture}")


def user_of(config: bytes) -> str:
    """Return the User of the image's config, or "": `name|uid[:group|gid]`."""
    own = _fields(config, "image config").get("config")
    user = own.get("User") if isinstance(own, dict) else None
    return user if isinstance(user, str) else ""


def _fields(data: bytes, what: str) -> Mapping[str, Any]:
    if len(data) > MAX_BYTES:
        raise ToolFailed(f"the {what} has {len(data)} bytes, at most {MAX_BYTES} are taken")
    try:
        value = parse_json(data)
    except ValueError as e:
        raise ToolFailed(f"the {what} {e}") from e
    if not isinstance(value, dict):
        raise ToolFailed(f"the {what} is not a JSON object")
    return value


def _blob(value: object, what: str) -> Blob:
    if not isinstance(value, dict):
        raise ToolFailed(f"{what} is missing or not a JSON object")
    digest, size = value.get("digest"), value.get("size")
    if not _is_digest(digest):
        raise ToolFailed(f"{what} has no valid sha256 digest: {printable(digest, 100)}")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_SIZE:
        raise ToolFailed(f"{what} has no valid size: {printable(size, 100)}")
    return Blob(str(digest), size)


def _is_digest(value: object) -> bool:
    if not isinstance(value, str) or not value.startswith("sha256:"):
        return False
    hex = value.removeprefix("sha256:")
    return len(hex) == 64 and set(hex) <= set("0123456789abcdef")
