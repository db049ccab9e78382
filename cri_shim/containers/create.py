"""CreateContainer: makes record, root file system and OCI document; no process yet.

Nearly all errors of a request are found here. The record is written as an intent before the first
directory is made. A failure is undone by the same steps that remove a container.
"""

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from cri_shim import lifecycle
from cri_shim.activity import Step, subject
from cri_shim.activity.error_names import naming_objects
from cri_shim.activity.step import current_operation
from cri_shim.aio.offload import finish, offload
from cri_shim.containers import (
    attributes,
    draft,
    logs,
    mounts,
    passwd,
    remove,
    rootfs,
    sources,
    volumes,
)
from cri_shim.containers.gather import Prepared, gather, pod_files
from cri_shim.engine import Engine
from cri_shim.errors import AlreadyExists, ToolFailed, WrongState
from cri_shim.faults import fault_point
from cri_shim.hooks import precreate
from cri_shim.linux.privacy import let_group_pass, make_private
from cri_shim.linux.rootfs import make_directory_in_root
from cri_shim.objects import changed
from cri_shim.oci import bundle, log_directory
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import declared, userns
from cri_shim.spec.image_config import ImageConfig
from cri_shim.spec.plan import Plan, decide

T = TypeVar("T")


async def create(
    engine: Engine, request: api.CreateContainerRequest, depends_on: Sequence[str] = ()
) -> str:
    """Return the id of the new container; a retry of an equal request returns the same one.

    `depends_on`: ids of containers in its pod that must be running when it is started.
    """
    pod = engine.objects.pod(request.pod_sandbox_id)
    metadata = request.config.metadata
    name = (pod.id, metadata.name, metadata.attempt)
    holder = engine.objects.container_named(name)
    if holder is not None and not engine.work.creates.under_way(name):
        raise AlreadyExists(
            f"container {metadata.name} (attempt {metadata.attempt}) exists in pod {pod.id}:"
            f" {holder.id}; remove it or use another attempt"
        )
    return await engine.work.creates.do(
        name,
        (request, tuple(depends_on)),
        lambda: _create(engine, pod, request.config, depends_on),
        lambda id: engine.objects.find_container(id) is not None,
        subject.container(pod.config.metadata, metadata.name, pod_id=pod.id),
    )


async def _create(
    engine: Engine, pod: state.PodRecord, config: api.ContainerConfig, depends_on: Sequence[str]
) -> str:
    with Step("image lookup"):
        record, image = _intend(engine, pod, config, depends_on)
    if (operation := current_operation()) is not None:
        operation.subject = engine.objects.container_subject(record.id)
    try:
        async with engine.objects.lock(record.id):
            with naming_objects(engine.objects.named):  # abandoning it takes its name
                await _build(engine, pod, record, image)
    except BaseException:
        await finish(remove.abandon(engine, record.id))
        raise
    return record.id


def _intend(
    engine: Engine, pod: state.PodRecord, config: api.ContainerConfig, depends_on: Sequence[str]
) -> tuple[state.ContainerRecord, ImageConfig]:
    """Check everything that needs no file system, and write the intent.

    The image may be removed afterwards: the record names the layers and keeps them.
    """
    if not lifecycle.is_ready(engine.objects.pod(pod.id)):
        raise WrongState(f"pod {pod.id} is not ready: no container can be created in it")
    record, image = draft.container(engine, pod, config, depends_on, id=secrets.token_hex(32))
    fault_point("containers.create.intend")
    return engine.objects.put(record), image


async def _build(
    engine: Engine, pod: state.PodRecord, record: state.ContainerRecord, image: ImageConfig
) -> None:
    fault_point("containers.create.directory")
    _make_directories(engine, pod, record)
    fault_point("containers.create.rootfs")
    engine.warm_up()
    # Not synced: after a power cut nothing runs, and a directory without a record is an orphan.
    with Step("root file system", "the mount of the root file system"):
        await rootfs.mount(engine, pod, record)
    fault_point("containers.create.document")
    with Step("volumes", "image volumes and default mounts to be made"):
        prepared = Prepared(
            pod_files=pod_files(engine, pod),
            images=await volumes.prepare(engine, record),
            default_mounts=await mounts.copy_defaults(engine, pod, record),
            look=partial(_look, engine.paths.rootfs(record.id)),
        )
    with Step("sources", "the paths of its mounts and devices to be read"):
        plan = decide(await gather(engine, pod, record, image, prepared))
    with Step("document", "plugins, hooks and mounts of the OCI document"):
        record = await _carry_out(engine, pod, record, plan)
    if (log := logs.file_of(engine, record)) is not None:
        with Step("log", f"the file system of the log {log.path}"):
            await log_directory.look(log, log_directory.make, log)
    if not lifecycle.is_ready(engine.objects.pod(pod.id)):
        raise WrongState(f"pod {pod.id} was stopped while a container was created in it")
    fault_point("containers.create.commit")
    record = changed(record, phase=state.CONTAINER_CREATED, user=plan.user.to_cri())
    await engine.plugins.container_created(engine.objects.put(record))


async def _look(root: Path, work: Callable[[Path], T]) -> T:
    return await offload(work, root)


def _make_directories(engine: Engine, pod: state.PodRecord, record: state.ContainerRecord) -> None:
    make_private(engine.paths.bundle(record.id))
    ids = userns.of_pod(pod.config)
    if ids is not None:  # the namespace's root must reach the root file system, nothing else
        let_group_pass(engine.paths.bundle(record.id), ids.groups.host_id)
        make_private(engine.paths.volumes(record.id))


async def _carry_out(
    engine: Engine, pod: state.PodRecord, record: state.ContainerRecord, plan: Plan
) -> state.ContainerRecord:
    """Make the directories of VOLUMEs, ask plugins and precreate hooks, and write the document."""
    root = engine.paths.rootfs(record.id)
    if plan.volumes:
        await offload(_make_volumes, root, plan.volumes, plan.owner)
    if engine.defaults.passwd_entry:
        await offload(_name_user, root, plan)
    where = engine.paths.bundle(record.id)
    found = await engine.plugins.container_creating(pod, record, plan.document)
    if found.cgroups_path != record.cgroups_path:  # intent: it is emptied if this create fails
        record = engine.objects.put(changed(record, cgroups_path=found.cgroups_path))
    document = await precreate.edit(
        found.document, plan.hooks, bundle=where, env=engine.defaults.hooks.env
    )
    real_paths = {**plan.real_paths, **found.real_paths}
    document = await sources.redirect(engine, record, document, plan, real_paths)
    bundle.write(where, attributes.separate(where, document))
    return changed(record, resources=found.resources)


def _name_user(root: Path, plan: Plan) -> None:
    variables = dict(entry.partition("=")[::2] for entry in plan.document["process"]["env"])
    try:
        passwd.complete(root, plan.user, variables)
    except OSError as e:
        problem = f"a line for the user cannot be added to {e.filename} of the container"
        raise ToolFailed(f"{problem}: {e.strerror}") from e


def _make_volumes(root: Path, paths: Sequence[str], owner: tuple[int, int]) -> None:
    for path in paths:
        try:
            make_directory_in_root(root, path, owner)
        except OSError as e:
            raise declared.unusable(path, e) from e
