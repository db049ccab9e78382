"""What a container's bind mounts are made of: sources that nobody can change any more.

A source is found when the container is created (symbolic links are followed), and opened again,
without following any, when it is started. What was opened is mounted at a place in the bundle for
as long as the OCI runtime makes the container: it binds from there. It must not stay longer, for it
would keep a volume busy that the kubelet unmounts later. Mounts with uidMappings are given the
pod's ids here as well, which works with OCI runtimes that cannot do so.

What is ours needs no place: the pod's files, copies of default mounts, images mounted as volumes.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.containers.rootfs import user_namespace
from cri_shim.engine import Engine
from cri_shim.errors import ToolFailed, WrongState
from cri_shim.faults import fault_point
from cri_shim.linux import sources as linux_sources
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import sources
from cri_shim.spec.document import Document
from cri_shim.spec.mounts import ResolvedMount
from cri_shim.spec.sources import Source

_FILE = "sources.json"


async def redirect(
    on: Engine,
    container: state.ContainerRecord,
    document: Document,
    asked: Sequence[ResolvedMount],
    ours: Collection[str],
) -> Document:
    """The document with places as sources; a file in the bundle says what belongs there.

    `asked`: mounts whose sources were found already. `ours`: sources that are left as they are.
    WrongState for a source that is not there, which a device or a hook asks for.
    """
    images = f"{on.paths.volumes(container.id)}/"
    known = {mount.source: mount.source for mount in asked}
    known |= dict.fromkeys(ours, "")
    for mount in sources.bound(document):
        source = mount["source"]
        if source not in known and not source.startswith(images):
            known[source] = await _found(container, source, mount["destination"])
    where = on.paths.sources(container.id)
    document, needed = sources.redirected(
        document,
        lambda number: str(where / str(number)),
        {source: path for source, path in known.items() if path},
        {(mount.source, mount.destination) for mount in asked if mount.idmapped},
    )
    if needed:
        text = json.dumps([asdict(source) for source in needed])
        (on.paths.bundle(container.id) / _FILE).write_text(text)
    return document


async def _found(container: state.ContainerRecord, source: str, destination: str) -> str:
    try:
        return await offload(linux_sources.find, source)
    except OSError as e:
        raise WrongState(
            f"container {container.id}: a CDI device or a hook mounts {source} at {destination},"
            f" but on this node: {e.strerror}"
        ) from e


async def attach(on: Engine, pod: state.PodRecord, container: state.ContainerRecord) -> None:
    """Mount each source at its place; ToolFailed names the one that cannot be, or that changed."""
    needed = _needed(on.paths.bundle(container.id))
    if not needed:
        return
    fault_point("containers.start.sources")
    space = user_namespace(on, pod)
    userns = space.path if space is not None else None
    await offload(_attach, on.paths.sources(container.id), needed, userns)


def _attach(directory: Path, needed: Sequence[Source], userns: Path | None) -> None:
    directory.mkdir(mode=0o711, exist_ok=True)
    for source in needed:
        try:
            linux_sources.attach(
                source.path,
                Path(source.place),
                propagation=source.propagation,
                userns=userns if source.idmapped else None,
            )
        except OSError as e:
            problem = f"cannot bind {source.path}, which was found when the container was created"
            raise ToolFailed(f"{problem}: {e.strerror}") from e


async def release(on: Engine, container_id: str) -> None:
    """Unmount all places; a container that was made has mounts of its own. Idempotent."""
    await offload(_release, on.paths.sources(container_id))


def _release(directory: Path) -> None:
    try:
        places = list(directory.iterdir())
    except FileNotFoundError:
        return
    for place in places:
        linux_sources.detach(place)
    directory.rmdir()


def restored(bundle: Path, document: Document) -> Document:
    """The document of a bundle with the sources of its mounts on the node."""
    return sources.restored(document, _needed(bundle))


def _needed(bundle: Path) -> list[Source]:
    try:
        text = (bundle / _FILE).read_text()
    except FileNotFoundError:
        return []
    return [Source(**fields) for fields in json.loads(text)]
