"""The changes of a container in its root file system, compared with its image."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from cri_shim.aio.own_thread import in_own_thread
from cri_shim.containers.rootfs import user_namespace
from cri_shim.engine import Engine
from cri_shim.errors import NotFound, ToolFailed
from cri_shim.linux.rootfs import real_path_in_root
from cri_shim.oci import bundle
from cri_shim.pb import state_pb2 as state
from cri_shim.spec.userns import IdMap
from cri_shim.store.trees import changes, merged
from cri_shim.store.trees.changes import Change
from cri_shim.store.trees.merged import Layer
from cri_shim.untrusted import printable


async def diff(engine: Engine, container_id: str) -> list[Change]:
    """Return the changes by path, as `podman diff` does; see store/trees/changes.py.

    Mount points do not count. NotFound for an unknown container, or if its writable layer is gone.
    """
    container = engine.objects.container(container_id)
    own = writable_layer(engine, container)
    layers = list(container.layers)
    hidden = mount_points(engine, container.id)
    try:
        return await in_own_thread("diff", partial(_diff, engine, own, layers, hidden))
    except FileNotFoundError as e:
        raise NotFound(f"container {container.id}: its writable layer is gone: {e}") from e
    except OSError as e:
        where = f": {printable(e.filename)}" if e.filename else ""
        raise ToolFailed(
            f"cannot compare container {container.id} with its image: {e.strerror}{where}"
        ) from e


def writable_layer(engine: Engine, container: state.ContainerRecord) -> Layer:
    """Return the path of the layer, and the id map of the pod's user namespace."""
    pod = engine.objects.find_pod(container.pod_id)
    space = user_namespace(engine, pod) if pod is not None else None
    ids: IdMap | None = space.ids if space is not None else None
    return Layer(str(engine.images.rootfs.upper(container.id)), ids)


def mount_points(engine: Engine, container_id: str) -> frozenset[str]:
    """Return the container's mount points: the OCI runtime makes missing ones in its layer."""
    try:
        document = bundle.spec(engine.paths.bundle(container_id))
    except (OSError, ValueError):
        return frozenset()  # no bundle yet, so no mount points; or no bundle any more: all counts
    root = engine.paths.rootfs(container_id)
    found = set()
    for mount in document.get("mounts") or []:
        target = str(Path("/", str(mount["destination"])))
        found.add(target)
        with suppress(OSError, ValueError):  # the path behind symbolic links such as /var/run
            found.add(f"/{real_path_in_root(root, target).relative_to(root.resolve())}")
    return frozenset(found)


def _diff(
    engine: Engine,
    own: Layer,
    layers: Sequence[str],
    hidden: frozenset[str],
    stopped: Callable[[], bool],
) -> list[Change]:
    with engine.images.rootfs.lowers(layers) as directories:
        lowers = [Layer(str(directory)) for directory in directories]
        with merged.opened(lowers, [own, *lowers]) as (old, new):
            return changes.between(old, new, hidden, stopped)
