"""Where a container's mounts come from on this node; spec.mounts decides what is done with them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cri_shim import default_mounts
from cri_shim.aio.offload import offload
from cri_shim.containers import volumes
from cri_shim.containers.rootfs import user_namespace
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument
from cri_shim.faults import fault_point
from cri_shim.linux import idmap, sources
from cri_shim.linux.mounts import propagation_of
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import userns
from cri_shim.spec.mounts import DATA, ResolvedMount, cleaned
from cri_shim.spec.mounts import resolve as resolved


async def of_request(on: Engine, container: state.ContainerRecord) -> list[ResolvedMount]:
    """The request's mounts, with the paths of their sources without symbolic links.

    Images are mounted here. InvalidArgument names the mount and field at fault.
    """
    rro = on.handler(container.handler).features.rro
    images = await volumes.prepare(on, container)
    space = user_namespace(on, on.registry.pod(container.pod_id))
    found = []
    for index, mount in enumerate(container.config.mounts):
        one = _resolve(index, mount, rro, images)
        if one.idmapped and space is not None:
            _check_ids(index, one.source, space.path)
        found.append(one)
    return found


def _resolve(index: int, mount: api.Mount, rro: bool, images: Mapping[int, Path]) -> ResolvedMount:
    source = str(images[index]) if index in images else _on_host(index, mount.host_path)
    shared = slave = False
    if mount.propagation != api.PROPAGATION_PRIVATE:
        shared, slave = propagation_of(source)
    return resolved(index, mount, source, shared=shared, slave=slave, rro=rro)


def _on_host(index: int, path: str) -> str:
    field = f"config.mounts[{index}].host_path"
    try:
        return sources.find(path)
    except FileNotFoundError:
        raise InvalidArgument(field, f"{path} does not exist on this node") from None
    except OSError as e:
        raise InvalidArgument(field, f"{path}: {e.strerror}") from e


def _check_ids(index: int, source: str, space: Path) -> None:
    """InvalidArgument for a source that cannot be given ids: its file system decides."""
    try:
        idmap.check(source, space)
    except OSError as e:
        problem = f"the file system of {source} has no idmapped mounts: {e.strerror}"
        raise InvalidArgument(f"config.mounts[{index}].uidMappings", problem) from e


async def defaults(
    on: Engine, pod: state.PodRecord, container: state.ContainerRecord, label: str
) -> list[ResolvedMount]:
    """What every container of this node has, copied for this one; `label` is SELinux's, or ""."""
    fault_point("containers.create.default_mounts")
    lines = on.default_mounts.lines()
    if not lines:
        return []
    covered = [cleaned(mount.container_path) for mount in container.config.mounts]
    where = on.paths.default_mounts(container.id)
    root = (_root(pod),) * 2
    await offload(default_mounts.make_room, where)
    found = await offload(on.default_mounts.prepare, lines, where, covered, root, label)
    await offload(default_mounts.limit, where)
    return [replace(mount, options=DATA) for mount in found]


def _root(pod: state.PodRecord) -> int:
    """Whom the node knows the root of the pod's containers as."""
    ids = userns.of_pod(pod.config)
    return 0 if ids is None else ids.host_id
