"""Dependencies between containers, and the operations that they forbid.

A container depends on the one whose pid namespace it joins (TARGET), and on those of its pod that
the create request names. A dependency exists before its dependent, so only damaged records can have
a cycle; the error names its containers.
"""

from collections.abc import Iterable, Sequence

from cri_shim import lifecycle
from cri_shim.engine import Engine
from cri_shim.errors import ContainerInUse, InvalidArgument, WrongState
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import namespaces


def of(
    engine: Engine, pod: state.PodRecord, config: api.ContainerConfig, requested: Sequence[str]
) -> list[str]:
    """Return the ids of the dependencies of a new container of `pod`.

    InvalidArgument for one that is not in that pod, or is being removed.
    """
    for id in requested:
        found = engine.objects.find_container(id)
        if found is None or found.pod_id != pod.id:
            raise InvalidArgument("depends_on", f"no container {id} in pod {pod.id}")
        if found.phase == state.CONTAINER_REMOVING:
            raise InvalidArgument("depends_on", f"container {id} is being removed")
    joined = namespaces.target(config)
    return list(dict.fromkeys([*requested, *([joined] if joined else [])]))


def need(engine: Engine, container: state.ContainerRecord) -> None:
    """Raise WrongState if a container that the create request named does not run.

    The TARGET container is left out: the start itself checks it as late as possible.
    """
    joined = namespaces.target(container.config)
    for id in container.depends_on:
        found = engine.objects.find_container(id)
        if id == joined or (found is not None and lifecycle.is_running(found)):
            continue
        how = "is gone" if found is None else "does not run"
        raise WrongState(
            f"container {container.id} depends on container {id}, which {how}: start that first"
        )


def release(engine: Engine, container: state.ContainerRecord) -> None:
    """Raise ContainerInUse if other containers depend on this one."""
    if users := [user.id for user in engine.objects.dependents(container.id)]:
        raise ContainerInUse(
            f"container {container.id} is in use by {', '.join(users)}: remove"
            f" {'that' if len(users) == 1 else 'those'} first, or force the removal"
        )


def start_order(containers: Iterable[state.ContainerRecord]) -> list[state.ContainerRecord]:
    """Sort containers after their dependencies, otherwise by age; WrongState on a cycle."""
    waiting = {c.id: c for c in sorted(containers, key=lambda c: c.created_at)}
    ordered: list[state.ContainerRecord] = []
    while waiting:
        ready = [c for c in waiting.values() if not waiting.keys() & set(c.depends_on)]
        if not ready:
            raise WrongState(f"containers depend on each other in a circle: {', '.join(waiting)}")
        ordered += ready
        for container in ready:
            del waiting[container.id]
    return ordered
