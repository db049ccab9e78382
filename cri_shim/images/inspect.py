"""All there is to tell of an image, in the words of `podman image inspect`."""

import json
import logging
from typing import Any

from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.store.image_store import ImageStore

_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"

_log = logging.getLogger(__name__)


def inspect(store: ImageStore, image: ImageRecord) -> dict[str, Any]:
    """JSON-able. Sizes are bytes: `Size` of the image as transferred, `VirtualSize` unpacked."""
    spec = json.loads(image.config)
    config = spec.get("config") or {}
    manifest = _manifest(store, image)
    steps = [step for step in spec.get("history") or [] if isinstance(step, dict)]
    known = (store.catalog.layer(layer) for layer in dict.fromkeys(image.layers))
    lowers = [str(store.layers.path(layer)) for layer in dict.fromkeys(reversed(image.layers))]
    return {
        "Id": image.id,
        "Digest": image.manifest_digest,
        "RepoTags": list(image.repo_tags),
        "RepoDigests": list(image.repo_digests),
        "Parent": "",
        "Comment": str(steps[-1].get("comment") or "") if steps else "",
        "Created": spec.get("created") or "",
        "Config": config,
        "Version": spec.get("docker_version") or "",
        "Author": spec.get("author") or "",
        "Architecture": spec.get("architecture") or "",
        "Os": spec.get("os") or "",
        "Size": image.size,
        "VirtualSize": sum(layer.size for layer in known if layer is not None),
        "GraphDriver": {"Name": "overlay", "Data": {"LowerDir": ":".join(lowers)}},
        "RootFS": {"Type": "layers", "Layers": list(image.layers)},
        "Labels": config.get("Labels") or {},
        "Annotations": manifest.get("annotations") or {},
        "ManifestType": manifest.get("mediaType") or _OCI_MANIFEST,
        "User": config.get("User") or "",
        "History": steps,
        "Pinned": image.pinned,
    }


def _manifest(store: ImageStore, image: ImageRecord) -> dict[str, Any]:
    file = store.blobs / image.manifest_digest.removeprefix("sha256:")
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError) as e:
        _log.warning("image %s: its manifest cannot be read: %s", image.id, e)
        return {}
    return found if isinstance(found, dict) else {}
