"""Pods and containers as plugins get them, from their records."""

from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.containers import attributes, sources
from cri_shim.engine import Engine
from cri_shim.nri.document.described import describe
from cri_shim.nri.document.resources import from_cri
from cri_shim.oci import bundle
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import nri_pb2 as pb
from cri_shim.pb import state_pb2 as state
from cri_shim.spec.document import Document

_KINDS = {"net": "network"}  # names of namespaces that differ in OCI documents
_STATES = {
    state.CONTAINER_CREATING: pb.CONTAINER_CREATED,
    state.CONTAINER_CREATED: pb.CONTAINER_CREATED,
    state.CONTAINER_STARTING: pb.CONTAINER_CREATED,
    state.CONTAINER_RUNNING: pb.CONTAINER_RUNNING,
    state.CONTAINER_EXITED: pb.CONTAINER_STOPPED,
    state.CONTAINER_REMOVING: pb.CONTAINER_STOPPED,
}
_PROFILES = {
    api.SecurityProfile.RuntimeDefault: pb.SecurityProfile.RUNTIME_DEFAULT,
    api.SecurityProfile.Unconfined: pb.SecurityProfile.UNCONFINED,
    api.SecurityProfile.Localhost: pb.SecurityProfile.LOCALHOST,
}


def pod(engine: Engine, record: state.PodRecord) -> pb.PodSandbox:
    """Return the message of a pod."""
    config, metadata = record.config, record.config.metadata
    found = pb.PodSandbox(
        id=record.id,
        name=metadata.name,
        uid=metadata.uid,
        namespace=metadata.namespace,
        labels=config.labels,
        annotations=config.annotations,
        runtime_handler=record.runtime_handler,
        pid=record.pause.pid,
        ips=record.network.ips,
    )
    linux = found.linux
    linux.cgroup_parent = record.cgroup_parent
    linux.pod_overhead.CopyFrom(from_cri(config.linux.overhead, engine.host))
    linux.pod_resources.CopyFrom(from_cri(config.linux.resources, engine.host))
    if record.HasField("pause"):
        linux.cgroups_path = engine.cgroups.oci_path(record.cgroup_parent, record.id)
    for kind, path in engine.paths.pins(record).items():
        linux.namespaces.add(type=_KINDS.get(kind, kind), path=str(path))
    return found


async def container(engine: Engine, record: state.ContainerRecord) -> pb.Container:
    """Return the message of a container, from its record and the document in its bundle."""
    found = of_record(record)
    found.state = _STATES.get(record.phase, pb.CONTAINER_UNKNOWN)
    if record.paused:
        found.state = pb.CONTAINER_PAUSED
    document = await offload(_document, engine.paths.bundle(record.id))
    add_document(found, document)
    return found


def of_record(record: state.ContainerRecord) -> pb.Container:
    """Return what the record of a container says, without its state."""
    config = record.config
    _, at, digest = record.image_ref.partition("@")
    found = pb.Container(
        id=record.id,
        pod_sandbox_id=record.pod_id,
        name=config.metadata.name,
        labels=config.labels,
        annotations=config.annotations,
        pid=record.init.pid,
        created_at=record.created_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
        exit_code=record.exit_code,
        status_reason=record.reason,
        status_message=record.message,
        CDI_devices=[pb.CDIDevice(name=device.name) for device in config.CDI_devices],
        image=pb.Image(
            name=record.image_name,
            digest=digest if at else "",
            config_digest=f"sha256:{record.image_id}",
        ),
    )
    context = config.linux.security_context
    if context.HasField("seccomp"):
        profile = found.linux.seccomp_profile
        profile.profile_type = _PROFILES[context.seccomp.profile_type]
        profile.localhost_ref = context.seccomp.localhost_ref
    return found


def add_document(found: pb.Container, document: Document) -> None:
    """Add what the OCI document of a container says."""
    describe(document, found)
    for key, value in document.get("annotations", {}).items():
        found.annotations[key] = value


def _document(where: Path) -> Document:
    try:
        return attributes.joined(where, sources.restored(where, bundle.spec(where)))
    except (OSError, ValueError):  # it is removed, or never had one
        return {}
