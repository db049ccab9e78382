"""Changes of existing containers that plugins ask for: new limits of resources, and evictions."""

import logging
from collections.abc import Sequence

from cri_shim import lifecycle
from cri_shim.containers import stop, update
from cri_shim.engine import Engine
from cri_shim.errors import CriShimError, NotFound, ToolFailed, WrongState
from cri_shim.nri import limits
from cri_shim.nri.document import resources
from cri_shim.nri.document.facts import Refusing
from cri_shim.nri.owners import Owners
from cri_shim.pb import nri_pb2 as pb
from cri_shim.pb import state_pb2 as state

EVICTION_GRACE_S = 10  # between the stop signal and SIGKILL
MOST = 10_000  # changes in one message

_log = logging.getLogger(__name__)


async def asked(
    engine: Engine, plugin: str, request: pb.UpdateContainersRequest
) -> list[pb.ContainerUpdate]:
    """Carry out what a plugin asks for at any time; return the updates that failed."""
    if len(request.update) + len(request.evict) > MOST:
        raise ToolFailed(f"NRI plugin {plugin}: more than {MOST} changes in one message")
    failed = []
    for wanted in request.update:
        try:
            await _update(engine, plugin, wanted)
        except CriShimError as e:
            _log.warning("%s", e)
            failed.append(wanted)
    evict(engine, {e.container_id: f"{plugin}: {e.reason}".rstrip(": ") for e in request.evict})
    return failed


async def carry_out(engine: Engine, updates: Sequence[tuple[str, pb.ContainerUpdate]]) -> None:
    """Carry out updates that plugins answered to an event. The first failure is raised.

    An update that may fail is only logged.
    """
    for plugin, wanted in updates:
        try:
            await _update(engine, plugin, wanted)
        except CriShimError as e:
            if not wanted.ignore_failure:
                raise
            _log.warning("%s", e)


def evict(engine: Engine, evictions: dict[str, str]) -> None:
    """Stop containers in the background; the values say who asked for it and why."""
    for id, why in evictions.items():
        container = engine.objects.find_container(id)
        if container is None or not engine.objects.visible(container):
            _log.warning("container %s cannot be evicted for NRI plugin %s: no such one", id, why)
            continue
        subject = engine.objects.container_subject(id)
        _log.warning("%s is evicted for NRI plugin %s", subject, why)
        engine.work.spawn(f"evict {subject}", stop.stop(engine, id, EVICTION_GRACE_S))


async def _update(engine: Engine, plugin: str, wanted: pb.ContainerUpdate) -> None:
    id, limit = wanted.container_id, wanted.linux.resources
    try:
        container = engine.objects.find_container(id)
        if container is None or not engine.objects.visible(container):
            raise NotFound("there is no such container")
        if lifecycle.is_over(container) or container.phase == state.CONTAINER_CREATING:
            raise WrongState(f"it is {lifecycle.name(container)}")
        owners = Owners()
        limits.collect(owners, id, plugin, limit)
        refusing = Refusing(id, owners, engine.host)
        resources.check(limit, refusing)
        if limit.HasField("rdt_class"):
            raise refusing.refused("RdtClass", None, "it cannot change while a container exists")
        await update.change(engine, id, resources.to_cri(limit), resources.beyond_cri(limit))
    except CriShimError as e:
        raise ToolFailed(f"NRI plugin {plugin} cannot update container {id}: {e}") from e
