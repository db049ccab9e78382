"""At start: completes the record of a container that is behind the container's real state.

The daemon died before it could record its last action, or a damaged database lost the newest record
and kept an older one. The record is completed from conmon and the OCI runtime, so that the
container is not ended only because a record is incomplete.
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
    """Return whether a container recorded as created was started, or has no bundle any more."""
    bundle = engine.paths.bundle(container.id)
    return not bundle.is_dir() or any((bundle / name).exists() for name in ("pidfile", "exit"))


async def take_over(
    engine: Engine, handler: Handler | None, container: state.ContainerRecord
) -> state.ContainerRecord:
    """Return the record of a container without a known init; add its init if it runs or ended."""
    id, bundle = container.id, engine.paths.bundle(container.id)
    if (exit := oci_exits.read(id, bundle)) is not None:
        exits.ended(engine, exit)
        return engine.objects.container(id)
    found = await engine.oci.runtime.state(handler, id) if handler is not None else None
    started = engine.oci.conmon.created(bundle)
    if found is None or started is None or found.get("pid") != started.init.pid:
        return container
    subject = engine.objects.container_subject(id)
    _log.warning("%s: its start was not recorded; it is taken over", subject)
    container = engine.objects.observe(
        changed(container, init=started.init, monitor=started.monitor, started_at=time.time_ns())
    )
    engine.oci.exits.watch(id, bundle, container.init, container.monitor)
    return container
