"""Mounts images read-only; the mounts outlive this process, see store/mounting/mounted.py."""

from pathlib import Path

from cri_shim.engine import Engine
from cri_shim.images.query import find
from cri_shim.store.catalog import stack


async def mount(engine: Engine, reference: str) -> Path:
    """Mount the image read-only and return the path. Already mounted is success."""
    image = find(engine, reference)
    return await engine.images.mounted.mount(image.id, stack(image))


async def unmount(engine: Engine, image_id: str, *, lazy: bool = False) -> None:
    """Unmount the image, also if it was removed; not mounted is success."""
    await engine.images.mounted.unmount(image_id, lazy=lazy)
    engine.images.collect()
