"""Which containers and mounts use each image, and how old the image is."""

from collections import defaultdict
from collections.abc import Iterator

from cri_shim.engine import Engine
from cri_shim.pb import control_pb2 as control
from cri_shim.spec import image_config


def users(engine: Engine) -> Iterator[control.ImageUsers]:
    """Yield a row for each image."""
    containers: dict[str, dict[str, None]] = defaultdict(dict)
    for container in engine.objects.everything()[1]:
        containers[container.image_id][container.id] = None
        for volume in container.image_volumes:
            containers[volume.image_id][container.id] = None
    mounted = engine.images.mounted.images()
    for image in engine.images.catalog.images():
        yield control.ImageUsers(
            id=image.id,
            containers=containers[image.id],
            mounted=image.id in mounted,
            created=str(image_config.document(image.config).get("created") or ""),
            stored=image.created_at,
        )
