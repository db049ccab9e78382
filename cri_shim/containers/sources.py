"""The sources of a container's bind mounts, protected against later changes.

CreateContainer finds a source and follows its symbolic links. StartContainer opens it again without
following any. The opened source is mounted at a place in the bundle while the OCI runtime makes the
container, and the runtime binds from there. The mount must not stay longer: it would keep a volume
busy that the kubelet unmounts later. Mounts with uidMappings get the pod's ids here as well; this
works with OCI runtimes that cannot do it.

Sources that the runtime makes need no place: the pod's files, copies of default mounts, and mounted
images.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from cri_shim.aio import own_process
from cri_shim.aio.offload import offload
from cri_shim.aio.singleflight import SingleFlight
from cri_shim.containers.rootfs import user_namespace
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, ToolFailed, Unavailable, WrongState
from cri_shim.faults import fault_point
from cri_shim.linux import sources as linux_sources
from cri_shim.linux.privacy import write_private
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import sources
from cri_shim.spec.document import Document
from cri_shim.spec.plan import Plan
from cri_shim.spec.sources import Source

PATIENCE_S = 3.0  # for an OCI runtime to make a container, before its sources are checked
ANSWER_S = 5.0  # for all sources of a container to answer then

_FILE = "sources.json"
_looks: SingleFlight[str, None] = SingleFlight("see whether there is an answer from")


async def redirect(
    engine: Engine,
    container: state.ContainerRecord,
    document: Document,
    plan: Plan,
    real_paths: Mapping[str, str],
) -> Document:
    """Return the document with places as sources, and write the sources to a file in the bundle.

    `document`: the plan's document after plugins and precreate hooks. `real_paths`: destinations
    without symbolic links. WrongState if a mount from a CDI device, a hook or a plugin has a source
    that does not exist. InvalidArgument if a mount is nested in another one and a link leads out of
    the outer one.
    """
    images = f"{engine.paths.volumes(container.id)}/"
    known = dict(plan.sources)
    new = [
        mount
        for mount in sources.bound(document)
        if mount["source"] not in known and not mount["source"].startswith(images)
    ]
    found = await own_process.ask(linux_sources.find, [(mount["source"],) for mount in new])
    for mount, outcome in zip(new, found, strict=True):
        if isinstance(outcome, OSError):
            raise WrongState(
                f"container {container.id}: a CDI device, a hook or a plugin mounts"
                f" {mount['source']} at {mount['destination']},"
                f" but on this node: {outcome.strerror}"
            ) from outcome
        known[mount["source"]] = outcome[0]
    await _check_nested(document, known, real_paths)
    where = engine.paths.sources(container.id)
    document, needed = sources.redirected(
        document,
        lambda number: str(where / str(number)),
        {source: path for source, path in known.items() if path},
        plan.idmapped,
        real_paths,
    )
    if needed:
        text = json.dumps([asdict(source) for source in needed])
        write_private(engine.paths.bundle(container.id) / _FILE, text)
    return document


async def _check_nested(
    document: Document, known: Mapping[str, str], real_paths: Mapping[str, str]
) -> None:
    bound = [
        (mount, below)
        for mount, below in zip(
            document["mounts"], sources.nested(document, real_paths), strict=True
        )
        if below and sources.is_bind(mount)
    ]
    items = [(known.get(mount["source"]) or mount["source"], below) for mount, below in bound]
    outcomes = await own_process.ask(linux_sources.check, items)
    for (mount, _), outcome in zip(bound, outcomes, strict=True):
        if isinstance(outcome, OSError):
            problem = f"{outcome.filename}: {outcome.strerror}"
            raise InvalidArgument(f"the mounts below {mount['destination']}", problem)


async def attach(engine: Engine, pod: state.PodRecord, container: state.ContainerRecord) -> None:
    """Mount each source at its place; ToolFailed names one that changed or cannot be mounted."""
    needed = _needed(engine.paths.bundle(container.id))
    if not needed:
        return
    fault_point("containers.start.sources")
    space = user_namespace(engine, pod)
    userns = str(space.path) if space is not None else ""
    items = [
        (
            *(source.path, source.place, source.propagation),
            *(userns if source.idmapped else "", source.nested),
        )
        for source in needed
    ]
    outcomes = await offload(_attach, engine.paths.sources(container.id), items)
    outcomes = await own_process.rest(linux_sources.attach, items, outcomes)
    for source, outcome in zip(needed, outcomes, strict=True):
        if isinstance(outcome, OSError):
            raise ToolFailed(
                f"cannot bind {source.path}, which was found when the container was created:"
                f" {outcome.strerror}"
            ) from outcome


def _attach(directory: Path, items: Sequence[own_process.Item]) -> list[own_process.Outcome]:
    linux_sources.prepare(directory)
    return own_process.cached(linux_sources.attach, items)


async def unanswered(engine: Engine, container_id: str) -> Unavailable | None:
    """After PATIENCE_S, return Unavailable if a source does not answer and so hangs the runtime.

    None if all sources answer: then the runtime is slow, or hangs for another reason.
    """
    await asyncio.sleep(PATIENCE_S)
    paths = {source.path for source in _needed(engine.paths.bundle(container_id))}
    looks = (_looks.do(path, partial(_answers, path)) for path in paths)
    outcomes = await asyncio.gather(*looks, return_exceptions=True)
    return next((found for found in outcomes if isinstance(found, Unavailable)), None)


async def _answers(path: str) -> None:
    await own_process.each(linux_sources.answers, [(path,)], limit=ANSWER_S)


async def release(engine: Engine, container_id: str) -> None:
    """Unmount all places; a created container has its own mounts. Idempotent."""
    await offload(linux_sources.release, engine.paths.sources(container_id))


def restored(bundle: Path, document: Document) -> Document:
    """Return the bundle's document with the sources on the node instead of places."""
    return sources.restored(document, _needed(bundle))


def _needed(bundle: Path) -> list[Source]:
    try:
        text = (bundle / _FILE).read_text()
    except FileNotFoundError:
        return []
    return [
        Source(**{**fields, "nested": tuple(fields.get("nested", ()))})
        for fields in json.loads(text)
    ]
