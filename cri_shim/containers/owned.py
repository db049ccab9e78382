"""Volumes with other owners: idmapped mounts of their sources, for as long as a start takes.

A mount with uidMappings is bound from a place in the container's bundle, where an idmapped mount of
its source is made just before the OCI runtime makes the container, and ended right after: it must
not keep a volume busy that the kubelet unmounts later. OCI runtimes can do this themselves by now;
doing it here is the same for all of them, and works with those that cannot.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.containers import rootfs
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, ToolFailed
from cri_shim.linux import idmap
from cri_shim.linux import mounts as linux_mounts
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec.mounts import ResolvedMount


def redirect(
    on: Engine,
    pod: state.PodRecord,
    container: state.ContainerRecord,
    resolved: Sequence[ResolvedMount],
) -> list[ResolvedMount]:
    """`resolved`, one for each mount of the request, with the places that `mount` fills as sources.

    InvalidArgument for a source that cannot be mounted so: its file system decides.
    """
    space = rootfs.user_namespace(on, pod)
    found = []
    for index, one in enumerate(resolved):
        if space is not None and _is_mapped(container.config.mounts[index]):
            try:
                idmap.check(one.source, space.path)
            except OSError as e:
                problem = f"the file system of {one.source} has no idmapped mounts: {e.strerror}"
                raise InvalidArgument(f"config.mounts[{index}].uidMappings", problem) from e
            one = replace(one, source=str(_place(on, container, index)))
        found.append(one)
    return found


async def mount(on: Engine, pod: state.PodRecord, container: state.ContainerRecord) -> None:
    """Make the idmapped mounts of the container; ToolFailed names the one that fails."""
    space = rootfs.user_namespace(on, pod)
    for index, one in enumerate(container.config.mounts):
        if space is None or not _is_mapped(one):
            continue
        source = Path(one.host_path).resolve()
        try:
            await offload(_mount, source, _place(on, container, index), space.path)
        except OSError as e:
            raise ToolFailed(f"cannot mount {source} with the ids of the pod: {e}") from e


async def unmount(on: Engine, container: state.ContainerRecord) -> None:
    """End them; the container has its own by now. Idempotent."""
    for index, one in enumerate(container.config.mounts):
        if _is_mapped(one):
            await offload(linux_mounts.unmount, _place(on, container, index))


def _is_mapped(mount: api.Mount) -> bool:
    """An image has the pod's ids already."""
    return bool(mount.uidMappings) and not mount.HasField("image")


def _place(on: Engine, container: state.ContainerRecord, index: int) -> Path:
    return on.paths.volumes(container.id) / str(index) / "owned"


def _mount(source: Path, target: Path, userns: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    idmap.bind(source, target, userns)
