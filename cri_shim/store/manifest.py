"""Manifests and image configs, as OCI and Docker (schema 2) write them; pure.

The bytes come from a registry: whatever is missing or of the wrong kind is a ToolFailed that says
so, never a KeyError.
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cri_shim.errors import ToolFailed

MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"  # not compressed
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
_ARCHITECTURES = {  # uname's machine -> Go's name, which images use
    "x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm",
    "i686": "386", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Blob:
    digest: str  # sha256:...
    size: int  # bytes, as the registry holds it


@dataclass(frozen=True, slots=True)
class Content:
    """One image: its manifest, its config, and its layers bottom first."""

    manifest: bytes
    config: bytes
    layers: tuple[Blob, ...]
    diff_ids: tuple[str, ...]  # one a layer: sha256 of its uncompressed tar

    @property
    def image_id(self) -> str:
        return hashlib.sha256(self.config).hexdigest()

    @property
    def manifest_digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def size(self) -> int:
        """Bytes of manifest, config and compressed layers."""
        return len(self.manifest) + len(self.config) + sum(layer.size for layer in self.layers)


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def host_architecture(machine: str = "") -> str:
    """This machine's architecture as images name it."""
    machine = machine or platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def config_digest(manifest: bytes) -> str:
    """Which blob of the layout is the image's config."""
    return _blob(_fields(manifest, "manifest").get("config"), "manifest config").digest


def layers_of(manifest: bytes) -> tuple[Blob, ...]:
    """The layer blobs, bottom first."""
    layers = _fields(manifest, "manifest").get("layers")
    if not isinstance(layers, list):
        raise ToolFailed("the manifest lists no layers: it is not that of a container image")
    return tuple(_blob(layer, "manifest layer") for layer in layers)


def descriptors_of(manifest: bytes) -> list[dict[str, Any]]:
    """The layers as a manifest in OCI's form lists them, bottom first, whoever wrote this one."""
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
    """What the manifest says that it is; OCI's need not say it."""
    return str(_fields(manifest, "manifest").get("mediaType") or MEDIA_TYPE)


def compose(config: bytes, layers: Sequence[Mapping[str, Any]]) -> bytes:
    """The OCI manifest of a config and the descriptors of its layers, bottom first."""
    described = {"mediaType": _CONFIG_TYPE, "digest": digest_of(config), "size": len(config)}
    fields = {"schemaVersion": 2, "mediaType": MEDIA_TYPE, "config": described}
    return json.dumps({**fields, "layers": list(layers)}, separators=(",", ":")).encode()


def plain_layer(diff_id: str, size: int) -> dict[str, Any]:
    """The descriptor of a layer that is not compressed: its digest is its diff-id."""
    return {"mediaType": LAYER_TYPE, "digest": diff_id, "size": size}


def diff_ids_of(config: bytes) -> tuple[str, ...]:
    """The layers' diff-ids, bottom first."""
    rootfs = _fields(config, "image config").get("rootfs")
    ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if ids is None:
        ids = []
    if not isinstance(ids, list) or not all(_is_digest(id) for id in ids):
        raise ToolFailed("the image config has no valid rootfs.diff_ids: it cannot be unpacked")
    return tuple(ids)


def content(manifest: bytes, config: bytes) -> Content:
    """Manifest and config of one image, checked against each other."""
    layers, diff_ids = layers_of(manifest), diff_ids_of(config)
    if len(layers) != len(diff_ids):
        raise ToolFailed(
            f"the manifest lists {len(layers)} layers and the config {len(diff_ids)} diff-ids:"
            " it is not a container image, or a broken one"
        )
    return Content(manifest, config, layers, diff_ids)


def check_platform(config: bytes, architecture: str) -> None:
    """ToolFailed if the image says that it is for another machine."""
    fields = _fields(config, "image config")
    os, arch = fields.get("os") or "linux", fields.get("architecture") or architecture
    if (os, arch) != ("linux", architecture):
        raise ToolFailed(f"the image is for {os}/{arch}, this machine is linux/{architecture}")


def user_of(config: bytes) -> str:
    """The User of the image's config, or "": `name|uid[:group|gid]`."""
    own = _fields(config, "image config").get("config")
    user = own.get("User") if isinstance(own, dict) else None
    return user if isinstance(user, str) else ""


def _fields(data: bytes, what: str) -> Mapping[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as e:
        raise ToolFailed(f"the {what} is not JSON: {e}") from e
    if not isinstance(value, dict):
        raise ToolFailed(f"the {what} is not a JSON object")
    return value


def _blob(value: object, what: str) -> Blob:
    digest = value.get("digest") if isinstance(value, dict) else None
    size = value.get("size") if isinstance(value, dict) else None
    if not _is_digest(digest) or not isinstance(size, int) or size < 0:
        raise ToolFailed(f"the {what} has no valid digest and size")
    return Blob(str(digest), size)


def _is_digest(value: object) -> bool:
    if not isinstance(value, str) or not value.startswith("sha256:"):
        return False
    hex = value.removeprefix("sha256:")
    return len(hex) == 64 and set(hex) <= set("0123456789abcdef")
