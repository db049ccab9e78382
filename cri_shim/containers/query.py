"""Answers ListContainers and ContainerStatus from records alone."""

import json
from collections.abc import Iterable

from cri_shim import lifecycle
from cri_shim.containers import sources
from cri_shim.engine import Engine
from cri_shim.objects import matches
from cri_shim.oci import bundle
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.state import rows

_STATES = {
    state.CONTAINER_CREATED: api.CONTAINER_CREATED,
    state.CONTAINER_STARTING: api.CONTAINER_CREATED,
    state.CONTAINER_RUNNING: api.CONTAINER_RUNNING,
    state.CONTAINER_EXITED: api.CONTAINER_EXITED,
    state.CONTAINER_REMOVING: api.CONTAINER_EXITED,
}


def state_of(container: state.ContainerRecord) -> api.ContainerState.ValueType:
    """Return the CRI's state for the container's phase."""
    return _STATES.get(container.phase, api.CONTAINER_UNKNOWN)


def listed(engine: Engine, filter: api.ContainerFilter) -> Iterable[api.Container]:
    """Yield the containers that pass every set field of `filter`; not those being created."""
    for container in engine.objects.each_container():
        found = rows.row("container", container.id, _listed, container, filter)
        if found is not None:
            yield found


def _listed(container: state.ContainerRecord, filter: api.ContainerFilter) -> api.Container | None:
    return row(container) if is_listed(container, filter) else None


def is_listed(container: state.ContainerRecord, filter: api.ContainerFilter) -> bool:
    """Whether it passes every set field of `filter`; one that is being created does not."""
    return (
        container.phase != state.CONTAINER_CREATING
        and container.id.startswith(filter.id)
        and container.pod_id.startswith(filter.pod_sandbox_id)
        and (not filter.HasField("state") or state_of(container) == filter.state.state)
        and (
            not filter.label_selector
            or matches(container.config.labels.items(), filter.label_selector.items())
        )
    )


def row(container: state.ContainerRecord) -> api.Container:
    """Return the container as it is in lists."""
    return api.Container(
        id=container.id,
        pod_sandbox_id=container.pod_id,
        metadata=container.config.metadata,
        image=_image(container),
        image_ref=container.image_id,
        image_id=container.image_id,
        state=state_of(container),
        created_at=container.created_at,
        labels=container.config.labels,
        annotations=container.config.annotations,
    )


def _image(container: state.ContainerRecord) -> api.ImageSpec:
    spec = api.ImageSpec()
    spec.CopyFrom(container.config.image)
    spec.image = container.image_name
    return spec


def status(container: state.ContainerRecord) -> api.ContainerStatus:
    """Return the ContainerStatus of a record; times in nanoseconds since the epoch."""
    ended = state_of(container) == api.CONTAINER_EXITED
    return api.ContainerStatus(
        id=container.id,
        metadata=container.config.metadata,
        state=state_of(container),
        created_at=container.created_at,
        started_at=0 if state_of(container) == api.CONTAINER_CREATED else container.started_at,
        finished_at=(container.finished_at or container.created_at) if ended else 0,
        exit_code=container.exit_code,
        image=_image(container),
        image_ref=container.image_ref,
        image_id=container.image_id,
        reason=container.reason,
        message=container.message,
        labels=container.config.labels,
        annotations=container.config.annotations,
        mounts=_mounts(container),
        log_path=container.log_path,
        resources=api.ContainerResources(linux=container.resources),
        user=api.ContainerUser(linux=container.user),
        stop_signal=container.stop_signal,
    )


def _mounts(container: state.ContainerRecord) -> list[api.Mount]:
    """Return the requested mounts; an image volume also has the reference of its image."""
    found = []
    for mount in container.config.mounts:
        copy = api.Mount()
        copy.CopyFrom(mount)
        found.append(copy)
    for volume in container.image_volumes:
        found[volume.mount].image.image_ref = volume.image_id
    return found


def info(engine: Engine, container: state.ContainerRecord) -> dict[str, str]:
    """Return the verbose map: "info" holds JSON with sandboxID, pid, runtimeSpec and more."""
    running = lifecycle.is_running(container)
    try:
        where = engine.paths.bundle(container.id)
        document = sources.restored(where, bundle.spec(where))
    except (OSError, ValueError):
        document = {}  # lost in a reboot: run_root is in memory
    facts = {
        "sandboxID": container.pod_id,
        "pid": container.init.pid if running else 0,
        "runtimeSpec": document,
        "privileged": container.config.linux.security_context.privileged,
        "runtimeHandler": container.handler,
        "bundle": str(engine.paths.bundle(container.id)),
        "monitorPid": container.monitor.pid if running else 0,
        "paused": container.paused,
        "tty": container.config.tty,
        "stdin": container.config.stdin,
        "phase": state.ContainerPhase.Name(container.phase),
    }
    return {"info": json.dumps(facts)}
