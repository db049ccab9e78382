"""Finds the sources of a container's mounts on this node; spec.mounts decides how they are used."""

import logging
import posixpath
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cri_shim import default_mounts
from cri_shim.aio import own_process
from cri_shim.aio.offload import offload
from cri_shim.containers import security
from cri_shim.containers.rootfs import user_namespace
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument
from cri_shim.faults import fault_point
from cri_shim.linux import missing_directory, sources
from cri_shim.linux.mounts import mount_with, propagation
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import mounts as spec_mounts
from cri_shim.spec import userns
from cri_shim.spec.mounts import DATA, ResolvedMount, cleaned

_log = logging.getLogger(__name__)


async def of_request(
    engine: Engine,
    container: state.ContainerRecord,
    images: Mapping[int, Path],
    real_paths: Mapping[str, str],
    *,
    dry: bool = False,
) -> list[ResolvedMount]:
    """Return the request's mounts; their sources have no symbolic links.

    `images`: the mounted image volumes. `real_paths`: destinations without symbolic links. With
    `dry` nothing is made, and the pod need not exist.
    InvalidArgument names the mount and the wrong field; Unavailable the source whose file system
    does not answer.
    """
    rro = engine.oci.handler(container.handler).features.rro
    space = None if dry else user_namespace(engine, engine.objects.pod(container.pod_id))
    requested = container.config.mounts
    on_host = [number for number in range(len(requested)) if number not in images]
    items = [
        (requested[n].host_path, str(space.path) if space and requested[n].uidMappings else "")
        for n in on_host
    ]
    outcomes = await own_process.ask(sources.find, items)
    found = {
        n: await _made(engine, f"config.mounts[{n}].host_path", item, dry=dry)
        if isinstance(outcome, FileNotFoundError)
        else outcome
        for n, item, outcome in zip(on_host, items, outcomes, strict=True)
    }
    return [
        spec_mounts.resolve(index, mount, str(images[index]), shared=False, slave=False, rro=rro)
        if index in images
        else await _on_host(index, mount, found[index], rro, real_paths)
        for index, mount in enumerate(requested)
    ]


async def _made(engine: Engine, field: str, item: tuple[str, str], *, dry: bool) -> Any:
    """Make the missing directory of a mount, if the configuration says so; return what is found.

    The directory stays, also if the container cannot be created: other pods may use it by then.
    """
    path = item[0]
    absent = f"{path} does not exist on this node"
    if not engine.defaults.creates_sources:
        advice = 'make it, or set containers.missing_mount_source = "create"'
        raise InvalidArgument(field, f"{absent}; {advice}")
    if posixpath.normpath(path) in engine.defaults.not_created_sources:
        raise InvalidArgument(field, f"{absent}; containers.not_created_mount_sources has it")
    if dry:
        return await _as_made(path)
    [problem] = await own_process.each(missing_directory.make, [(path,)])
    if isinstance(problem, OSError):
        reason = f"{absent}, and cannot be made: {problem.strerror}"
        raise InvalidArgument(field, reason) from problem
    _log.info("made the directory %s, which a mount names", path)
    return (await own_process.ask(sources.find, [item]))[0]


async def _as_made(path: str) -> Any:
    """Return what would be found if the missing directory were made."""
    above = path = posixpath.normpath(path)
    while True:
        above = posixpath.dirname(above)
        [outcome] = await own_process.ask(sources.find, [(above, "")])
        if isinstance(outcome, FileNotFoundError) and above != "/":
            continue
        if isinstance(outcome, OSError):
            return outcome
        return posixpath.join(outcome[0], posixpath.relpath(path, above)), *outcome[1:]


async def _on_host(
    index: int, mount: api.Mount, outcome: Any, rro: bool, real_paths: Mapping[str, str]
) -> ResolvedMount:
    field = f"config.mounts[{index}]"
    if isinstance(outcome, OSError):
        problem = f"{mount.host_path}: {outcome.strerror}"
        raise InvalidArgument(f"{field}.host_path", problem) from outcome
    source, mount_id, ids_problem = outcome
    if ids_problem:
        problem = f"the file system of {source} has no idmapped mounts: {ids_problem}"
        raise InvalidArgument(f"{field}.uidMappings", problem)
    shared = slave = False
    fstype = ""
    at_dev = real_paths.get(cleaned(mount.container_path)) == "/dev"
    if at_dev or mount.propagation != api.PROPAGATION_PRIVATE:
        found = await offload(mount_with, mount_id, source)
        fstype = found.fstype if at_dev else ""
        shared, slave = propagation(found)
    made = spec_mounts.resolve(index, mount, source, shared=shared, slave=slave, rro=rro)
    return replace(made, fstype=fstype)


async def planned_defaults(engine: Engine, container: state.ContainerRecord) -> list[ResolvedMount]:
    """Return the mounts that `copy_defaults` would return; nothing is copied."""
    lines = engine.defaults.mounts.lines()
    outcomes = await own_process.ask(sources.find, [(line.source, "") for line in lines])
    found = [
        line
        for line, outcome in zip(lines, outcomes, strict=True)
        if not isinstance(outcome, OSError)
    ]
    covered = [cleaned(mount.container_path) for mount in container.config.mounts]
    where = engine.paths.default_mounts(container.id)
    planned = default_mounts.planned(lines, found, where, covered)
    return [replace(mount, options=DATA) for mount in planned]


async def copy_defaults(
    engine: Engine, pod: state.PodRecord, container: state.ContainerRecord
) -> list[ResolvedMount]:
    """Copy the node's default mounts for this container."""
    fault_point("containers.create.default_mounts")
    lines = engine.defaults.mounts.lines()
    if not lines:
        return []
    # The pool that copies has few threads: a source that does not answer must not occupy one.
    await own_process.each(sources.answers, [(line.source,) for line in lines])
    covered = [cleaned(mount.container_path) for mount in container.config.mounts]
    where = engine.paths.default_mounts(container.id)
    root = userns.root_of(pod.config)
    label = security.labels(engine, pod, container.config)[1]
    await offload(default_mounts.make_room, where)
    found = await offload(engine.defaults.mounts.prepare, lines, where, covered, root, label)
    await offload(default_mounts.limit, where)
    return [replace(mount, options=DATA) for mount in found]
