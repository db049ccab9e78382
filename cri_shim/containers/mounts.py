"""Where a container's mounts come from on this host; spec.mounts says what may be done with them.

A VOLUME of the image is a directory of the container's own writable layer, with what the image has
there; it is made when the image has none (CRI-O's default does the same). In a container whose root
is read-only it stays writable, as with containerd: it is bound over itself.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cri_shim import default_mounts
from cri_shim.aio.offload import offload
from cri_shim.containers import owned, volumes
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument
from cri_shim.faults import fault_point
from cri_shim.linux.mounts import propagation_of
from cri_shim.linux.rootfs import make_directory_in_root
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import userns
from cri_shim.spec.mounts import DATA, ResolvedMount, cleaned, is_covered
from cri_shim.spec.mounts import resolve as resolved


async def prepare(
    on: Engine, container: state.ContainerRecord, declared: Sequence[str]
) -> list[ResolvedMount]:
    """All that is to be mounted besides the defaults: the request's, and the VOLUMEs `declared`.

    Images are mounted here. InvalidArgument names the mount and field at fault.
    """
    rro = on.handler(container.handler).features.rro
    images = await volumes.prepare(on, container)
    asked = resolve(container.config.mounts, rro=rro, images=images)
    pod = on.registry.pod(container.pod_id)
    asked = owned.redirect(on, pod, container, asked)
    own = [path for path in map(cleaned, declared) if path != "/" and not is_covered(path, asked)]
    where = [_directory(on.paths.rootfs(container.id), path, _root(pod)) for path in own]
    if not container.config.linux.security_context.readonly_rootfs:
        return asked
    return [ResolvedMount(str(d), path) for d, path in zip(where, own, strict=True)] + asked


def resolve(
    mounts: Sequence[api.Mount], *, rro: bool, images: Mapping[int, Path]
) -> list[ResolvedMount]:
    """Follow the symlinks of each source; InvalidArgument names the mount and field at fault."""
    return [_resolve(n, mount, rro, images) for n, mount in enumerate(mounts)]


def _resolve(index: int, mount: api.Mount, rro: bool, images: Mapping[int, Path]) -> ResolvedMount:
    source = images[index] if index in images else _on_host(index, mount.host_path)
    shared = slave = False
    if mount.propagation != api.PROPAGATION_PRIVATE:
        shared, slave = propagation_of(source)
    return resolved(index, mount, str(source), shared=shared, slave=slave, rro=rro)


def _on_host(index: int, path: str) -> Path:
    field = f"config.mounts[{index}].host_path"
    try:
        return Path(path).resolve(strict=True)
    except FileNotFoundError:
        raise InvalidArgument(field, f"{path} does not exist on this node") from None
    except (OSError, RuntimeError) as e:
        raise InvalidArgument(field, f"{path}: {e}") from e


def _directory(rootfs: Path, path: str, root: int) -> Path:
    """Have the directory of a VOLUME, new ones belonging to `root`; where it really is."""
    try:
        found = make_directory_in_root(rootfs, path)
        if root and found.stat().st_uid == 0:  # of the node: nothing of the image is
            os.chown(found, root, root)
    except OSError as e:
        problem = f"its VOLUME {path} cannot be a directory: {os.strerror(e.errno or 0)}"
        raise InvalidArgument("config.image", problem) from e
    return found


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
