"""Finds the facts that the adjustments of a new container depend on, and applies them."""

from collections.abc import Mapping
from pathlib import Path

from cri_shim.aio import own_process
from cri_shim.aio.offload import offload
from cri_shim.containers import cdi
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, ToolFailed
from cri_shim.isolation import sysctls
from cri_shim.linux import sources as linux_sources
from cri_shim.linux.mounts import mount_with, propagation
from cri_shim.linux.rootfs import find_in_root
from cri_shim.node_plugins import Adjusted
from cri_shim.nri.creation import Creation
from cri_shim.nri.document import resources
from cri_shim.nri.document.adjusted import adjusted
from cri_shim.nri.document.facts import Facts, MountFacts
from cri_shim.nri.document.mounts import destinations
from cri_shim.nri.owners import Owners
from cri_shim.pb import nri_pb2 as pb
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import cdi as spec_cdi
from cri_shim.spec import namespaces
from cri_shim.spec import resources as spec_resources
from cri_shim.spec.document import Document
from cri_shim.spec.users import User

_PROPAGATED = {"rshared", "shared", "rslave", "slave"}


async def applied(
    engine: Engine,
    pod: state.PodRecord,
    container: state.ContainerRecord,
    document: Document,
    creation: Creation,
) -> Adjusted:
    """Return the container with the adjustments. ToolFailed names a plugin that is refused."""
    adjust, owners = creation.adjust, creation.owners
    if adjust.CDI_devices:
        document = await _with_cdi_devices(engine, container.id, document, adjust, owners)
    mounts = await _mounts(engine, container.id, adjust)
    own = namespaces.of_pod(pod.config)
    facts = Facts(
        id=container.id,
        owners=owners,
        host=engine.host,
        mounts=mounts,
        check_sysctl=lambda name, value: _check_sysctl(name, value, own),
        cgroups_path=container.cgroups_path,
        selinux=bool(document["process"].get("selinuxLabel")),
        resctrl=Path("/sys/fs/resctrl/schemata").exists(),
    )
    document = adjusted(document, adjust, facts)
    limits = spec_resources.merge(container.resources, resources.to_cri(adjust.linux.resources))
    limits.oom_score_adj = document["process"].get("oomScoreAdj", limits.oom_score_adj)
    return Adjusted(
        document=document,
        resources=limits,
        cgroups_path=document["linux"].get("cgroupsPath", container.cgroups_path),
        real_paths={fact.destination: fact.destination for fact in mounts.values()},
    )


def _check_sysctl(name: str, value: str, own: list[str]) -> None:
    sysctls.parameters({name: value}, own)


async def _mounts(
    engine: Engine, id: str, adjust: pb.ContainerAdjustment
) -> Mapping[str, MountFacts]:
    """Return what is known of each added mount, by the destination that a plugin gave."""
    given = [path for path in destinations(adjust) if "\0" not in path]
    real = await offload(_real_paths, engine, id, given)
    by_destination = {mount.destination: mount for mount in adjust.mounts}
    found = {path: MountFacts(real[path]) for path in given}
    for path in given:
        mount = by_destination[path]
        if _PROPAGATED & set(mount.options) and mount.source.startswith("/"):
            found[path] = await _propagated(mount, real[path])
    return found


def _real_paths(engine: Engine, id: str, paths: list[str]) -> dict[str, str]:
    found = {}
    for path in paths:
        try:
            found[path] = find_in_root(engine.paths.rootfs(id), path)
        except OSError:  # a loop of symbolic links: the OCI runtime reports it
            found[path] = path
    return found


async def _propagated(mount: pb.Mount, destination: str) -> MountFacts:
    [outcome] = await own_process.ask(linux_sources.find, [(mount.source,)])
    if isinstance(outcome, OSError):  # sources.redirect reports it
        return MountFacts(destination, shared=True)
    source, mount_id, _ = outcome
    shared, slave = propagation(await offload(mount_with, mount_id, source))
    return MountFacts(destination, shared=shared, slave=slave)


async def _with_cdi_devices(
    engine: Engine, id: str, document: Document, adjust: pb.ContainerAdjustment, owners: Owners
) -> Document:
    user = document["process"]["user"]
    owner = User(uid=user["uid"], gid=user["gid"])
    names = [device.name for device in adjust.CDI_devices]
    try:
        edits, nodes = await cdi.find_named(engine, spec_cdi.names(names, {}, "adjust"), owner)
    except InvalidArgument as e:
        plugin = ", ".join(sorted({owners.of(id, "CdiDevices", name) for name in names}))
        raise ToolFailed(f"NRI plugin {plugin}: {e}") from e
    return spec_cdi.applied(document, edits, nodes)
