"""At start: a container that its record knows less of than there is.

The daemon died before it could record what it had just done, or the newest record was lost with a
damaged database and an older one is left. What conmon and the OCI runtime know of the container
becomes its record, so that it is not ended for the want of a line.
"""

import logging
import time

from cri_shim.containers import exits
from cri_shim.engine import Engine
from cri_shim.objects import changed
from cri_shim.oci import exits as oci_exits
from cri_shim.oci.handlers import Handler
from cri_shim.pb import state_pb2 as state

_log = logging.getLogger(__name__)


def was_started(engine: Engine, container: state.ContainerRecord) -> bool:
    """Whether a container that is on record as created was started, or is even gone."""
    bundle = engine.paths.bundle(container.id)
    return not bundle.is_dir() or any((bundle / name).exists() for name in ("pidfile", "exit"))


async def take_over(
    engine: Engine, handler: Handler | None, container: state.ContainerRecord
) -> state.ContainerRecord:
    """The record of a container without a known init, with the init if it lives or has ended."""
    id, bundle = container.id, engine.paths.bundle(container.id)
    if (exit := oci_exits.read(id, bundle)) is not None:
        exits.ended(engine, exit)
        return engine.objects.container(id)
    found = await engine.oci.state(handler, id) if handler is not None else None
    started = engine.conmon.created(bundle)
    if found is None or started is None or found.get("pid") != started.init.pid:
        return container
    _log.warning("container %s: its start was not recorded; it is taken over", id)
    container = engine.objects.observe(
        changed(container, init=started.init, monitor=started.monitor, started_at=time.time_ns())
    )
    engine.exits.watch(id, bundle, container.init, container.monitor)
    return container
