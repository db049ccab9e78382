"""All facts about an image, under the keys of `podman image inspect`."""

import logging
from typing import Any

from cri_shim.engine import Engine
from cri_shim.images.query import find
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.spec import image_config
from cri_shim.store.image_store import ImageStore
from cri_shim.untrusted import parse_json, read_file

_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"

_log = logging.getLogger(__name__)


def inspect(engine: Engine, reference: str) -> dict[str, Any]:
    """Return JSON-able facts. Sizes are bytes: `Size` as transferred, `VirtualSize` unpacked."""
    store, image = engine.images, find(engine, reference)
    spec = image_config.document(image.config)
    config = spec.get("config") or {}
    manifest = _manifest(store, image)
    steps = image_config.steps(image.config)
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
        "ArtifactType": image.artifact_type,
        "ManifestType": manifest.get("mediaType") or _OCI_MANIFEST,
        "User": config.get("User") or "",
        "History": steps,
        "Pinned": store.pins.has(image),
    }


def _manifest(store: ImageStore, image: ImageRecord) -> dict[str, Any]:
    file = store.blobs.path(image.manifest_digest)
    try:
        found = parse_json(read_file(file, image_config.MAX_BYTES))
    except (OSError, ValueError) as e:
        _log.warning("image %s: its manifest cannot be read: %s", image.id, e)
        return {}
    return found if isinstance(found, dict) else {}
