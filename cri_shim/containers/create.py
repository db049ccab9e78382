"""CreateContainer: record, root file system and OCI document; no process yet.

Nearly everything that can be refused is refused here. The record is written as an intent before the
first directory is made; what fails is undone by the same steps that remove a container.
"""

import secrets
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cri_shim import lifecycle
from cri_shim.aio.offload import finish, offload
from cri_shim.containers import (
    cdi,
    declared,
    dependencies,
    destinations,
    devices,
    hooks,
    logs,
    mounts,
    remove,
    rootfs,
    security,  # fmt: skip
    sources,
    volumes,
)
from cri_shim.engine import Engine
from cri_shim.errors import AlreadyExists, InvalidArgument, NotFound, WrongState
from cri_shim.faults import fault_point
from cri_shim.images import query
from cri_shim.linux.privacy import let_group_pass, make_private
from cri_shim.linux.rootfs import read_text_in_root
from cri_shim.objects import changed
from cri_shim.oci import bundle, log_directory
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import container as container_spec
from cri_shim.spec import image_config, namespaces, process, signals, userns, users
from cri_shim.spec.host import Host, HostDevice
from cri_shim.spec.mounts import KERNELS
from cri_shim.spec.protection import Protection
from cri_shim.state.records import VERSIONS
from cri_shim.store.catalog import stack

PASSWD_LIMIT = 4 << 20  # bytes of an image's /etc/passwd or /etc/group that are looked at


async def create(
    engine: Engine, request: api.CreateContainerRequest, depends_on: Sequence[str] = ()
) -> str:
    """Return the id of the new container; a retry of an equal request joins or collects it.

    `depends_on`: ids of containers of its pod that must run when it is started.
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
    )


async def _create(
    engine: Engine, pod: state.PodRecord, config: api.ContainerConfig, depends_on: Sequence[str]
) -> str:
    record = _intend(engine, pod, config, depends_on)
    try:
        async with engine.objects.lock(record.id):
            await _build(engine, pod, record)
    except BaseException:
        await finish(remove.abandon(engine, record.id))
        raise
    return record.id


def _intend(
    engine: Engine, pod: state.PodRecord, config: api.ContainerConfig, depends_on: Sequence[str]
) -> state.ContainerRecord:
    """Check what needs no file system, and write the intent."""
    current = engine.objects.pod(pod.id)
    if not lifecycle.is_ready(current):
        raise WrongState(f"pod {pod.id} is not ready: no container can be created in it")
    image = query.resolve(engine, config.image.image)
    if image is None:
        raise NotFound(f"image {config.image.image} is not on this node; pull it first")
    userns.check_container(config, userns.of_pod(current.config))
    id = secrets.token_hex(32)
    log_path = ""
    if pod.config.log_directory and config.log_path:
        log_path = str(Path(pod.config.log_directory) / config.log_path)
    fault_point("containers.create.intend")
    record = state.ContainerRecord(
        version=VERSIONS["container"],
        id=id,
        namespace=engine.objects.namespace,
        pod_id=pod.id,
        phase=state.CONTAINER_CREATING,
        config=config,
        image_id=image.id,
        image_ref=image.repo_digests[0] if image.repo_digests else image.id,
        image_name=config.image.user_specified_image or config.image.image,
        layers=stack(image),
        handler=pod.handler,
        log_path=log_path,
        cgroups_path=engine.cgroups.oci_path(pod.cgroup_parent, id),
        resources=config.linux.resources,
        stop_signal=signals.effective(
            config.stop_signal, image_config.parse(image.config).stop_signal
        ),
        boot_id=engine.boot_id,
        created_at=time.time_ns(),
        image_volumes=volumes.intended(engine, config),
        depends_on=dependencies.of(engine, pod, config, depends_on),
    )
    return engine.objects.put(record)


async def _build(engine: Engine, pod: state.PodRecord, record: state.ContainerRecord) -> None:
    image = query.resolve(engine, record.image_id)
    if image is None:
        raise NotFound(f"image {record.config.image.image} was removed meanwhile; pull it again")
    fault_point("containers.create.directory")
    ids = userns.of_pod(pod.config)
    make_private(engine.paths.bundle(record.id))
    if ids is not None:  # its root has to find the root file system, and nothing else
        let_group_pass(engine.paths.bundle(record.id), ids.groups.host_id)
        make_private(engine.paths.volumes(record.id))
    fault_point("containers.create.rootfs")
    engine.warm_up()
    # Not synced: after a power cut nothing runs, and a directory without a record is a stray.
    await rootfs.mount(engine, pod, record)
    fault_point("containers.create.document")
    config = image_config.parse(image.config)
    user = await offload(_user, record.config, config, engine.paths.rootfs(record.id))
    confined = await security.of_container(engine, pod, record.config)
    host = await _host(engine, record.config)
    nodes = await devices.resolve(record.config.devices)
    known = _spec_input(engine, pod, record, config, user, confined, host, nodes)
    edits, cdi_nodes = await cdi.find(engine, record.config, user)
    asked = await mounts.of_request(engine, record)
    given = await mounts.defaults(engine, pod, record, confined.mount_label)
    cwd = process.working_directory(record.config, config)
    at = [mount.destination for mount in asked]
    everywhere = [*KERNELS, *known.etc_files, *(mount.destination for mount in given)]
    lead = await destinations.leads(engine, record, [cwd, *at, *everywhere])
    await destinations.check(record, asked, cwd, lead)
    own = await declared.prepare(
        engine, record, config.volumes, user,
        asked=[lead[path] for path in at],
        defaults=[*everywhere, *(lead[path] for path in everywhere)],
    )  # fmt: skip
    document = container_spec.build(
        replace(known, mounts=[*given, *own, *asked], cdi_edits=edits, cdi_nodes=cdi_nodes)
    )
    document = await hooks.apply(engine, pod, record, document)
    ours = [*known.etc_files.values(), known.shm, *(mount.source for mount in given)]
    document = await sources.redirect(engine, record, document, [*own, *asked], ours, lead)
    bundle.write(engine.paths.bundle(record.id), document)
    if (log := logs.file_of(engine, record)) is not None:
        await log_directory.look(log, log_directory.make, log)
    if not lifecycle.is_ready(engine.objects.pod(pod.id)):
        raise WrongState(f"pod {pod.id} was stopped while a container was created in it")
    fault_point("containers.create.commit")
    engine.objects.put(changed(record, phase=state.CONTAINER_CREATED, user=user.to_cri()))


def _user(config: api.ContainerConfig, image: image_config.ImageConfig, root: Path) -> users.User:
    """Who the container runs as, by the names that its own root file system knows."""
    try:
        passwd, group = (
            read_text_in_root(root, path, PASSWD_LIMIT) for path in ("/etc/passwd", "/etc/group")
        )
    except OSError as e:
        raise InvalidArgument("config.image", f"its {e.filename} is {e.strerror}") from e
    return users.resolve(config.linux.security_context, image.user, passwd, group)


async def _host(engine: Engine, config: api.ContainerConfig) -> Host:
    """The host as this container is to see it: only a privileged one is given its devices."""
    if not config.linux.security_context.privileged:
        return engine.host
    return replace(engine.host, devices=await offload(devices.of_host))


def _spec_input(
    engine: Engine,
    pod: state.PodRecord,
    record: state.ContainerRecord,
    image: image_config.ImageConfig,
    user: users.User,
    confined: Protection,
    host: Host,
    nodes: Sequence[HostDevice],
) -> container_spec.ContainerInput:
    where, handler = engine.paths.etc(pod.id), engine.handler(pod.handler)
    pinned = {kind: str(path) for kind, path in engine.paths.pins(pod).items()}
    etc = {f"/etc/{name}": str(where / name) for name in ("resolv.conf", "hostname", "hosts")}
    return container_spec.ContainerInput(
        id=record.id,
        pod_id=pod.id,
        pod=pod.config,
        config=record.config,
        image=image,
        user=user,
        host=host,
        cgroups_path=record.cgroups_path,
        namespaces=namespaces.for_container(
            record.config, pod.config, pinned, _target_pid_namespace(engine, pod, record.config)
        ),
        hostname=pod.config.hostname or socket.gethostname(),
        etc_files=etc,
        shm=str(engine.paths.pod(pod.id) / "shm") if "ipc" in pinned else "/dev/shm",
        devices=nodes,
        rootfs=str(engine.paths.rootfs(record.id)),
        image_name=record.image_name,
        pids_limit=engine.defaults.pids_limit,
        protection=confined,
        rro=handler.features.rro,
        ids=userns.of_pod(pod.config) if handler.maps_ids else None,
    )


def _target_pid_namespace(engine: Engine, pod: state.PodRecord, config: api.ContainerConfig) -> str:
    """The path of the namespace that a TARGET container is to join, else ""."""
    options = config.linux.security_context.namespace_options
    if options.pid != api.TARGET:
        return ""
    target = engine.objects.find_container(options.target_id)
    field = "config.linux.security_context.namespace_options.target_id"
    if target is None or target.pod_id != pod.id:
        raise InvalidArgument(field, f"no container {options.target_id} in pod {pod.id}")
    if not lifecycle.is_running(target):
        raise InvalidArgument(field, f"container {options.target_id} is not running")
    return f"/proc/{target.init.pid}/ns/pid"  # start.py verifies it again when it is joined
