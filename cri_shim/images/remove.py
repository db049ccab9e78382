"""RemoveImage: the image goes with all its names; its layers stay while a container needs them.

"The image is gone" is true on return, for this and every other caller. Nothing is refused for
being in use: containers keep their layers, not the image.
"""

from cri_shim.engine import Engine
from cri_shim.faults import fault_point
from cri_shim.images.query import resolve


async def remove(engine: Engine, reference: str) -> None:
    """Remove the image that any reference of it names; none is fine."""
    image = resolve(engine, reference)
    if image is not None:
        fault_point("images.remove.catalogue")
        await engine.images.catalog.remove(image.id)
    fault_point("images.remove.layers")  # also for a caller whose last try failed here
    engine.images.collect()
