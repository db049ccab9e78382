"""RemoveImage: removes the image with all its names; layers stay while a container needs them.

On return the image is gone for this and every other caller. An image in use is not refused:
containers keep their layers, not the image.
"""

from cri_shim.engine import Engine
from cri_shim.faults import fault_point
from cri_shim.images.query import resolve


async def remove(engine: Engine, reference: str) -> None:
    """Remove the image that the reference names; no image is success."""
    image = resolve(engine, reference)
    if image is not None:
        fault_point("images.remove.catalogue")
        await engine.images.catalog.remove(image.id)
    fault_point("images.remove.layers")  # also for a retry after a failure here
    engine.images.collect()
