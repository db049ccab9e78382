"""What a container's bind mounts are made of: sources that nobody can change any more.

A source is found when the container is created (symbolic links are followed), and opened again,
without following any, when it is started. What was opened is mounted at a place in the bundle for
as long as the OCI runtime makes the container: it binds from there. It must not stay longer, for it
would keep a volume busy that the kubelet unmounts later. Mounts with uidMappings are given the
pod's ids here as well, which works with OCI runtimes that cannot do so.

What is ours needs no place: the pod's files, copies of default mounts, images mounted as volumes.
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

PATIENCE_S = 3.0  # for an OCI runtime to make a container, before its sources are looked at
ANSWER_S = 5.0  # for all sources of a container to answer then

_FILE = "sources.json"
_looks: SingleFlight[str, None] = SingleFlight("see whether there is an answer from")


async def redirect(
    engine: Engine,
    container: state.ContainerRecord,
    document: Document,
    plan: Plan,
) -> Document:
    """The document with places as sources; a file in the bundle says what belongs there.

    `document`: that of the plan, as precreate hooks have left it. WrongState for a source that is
    not there, which a device or a hook asks for; InvalidArgument for a mount below another one that
    a link leads out of that.
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
                f"container {container.id}: a CDI device or a hook mounts {mount['source']} at"
                f" {mount['destination']}, but on this node: {outcome.strerror}"
            ) from outcome
        known[mount["source"]] = outcome[0]
    await _check_nested(document, known, plan.lead)
    where = engine.paths.sources(container.id)
    document, needed = sources.redirected(
        document,
        lambda number: str(where / str(number)),
        {source: path for source, path in known.items() if path},
        plan.idmapped,
        plan.lead,
    )
    if needed:
        text = json.dumps([asdict(source) for source in needed])
        write_private(engine.paths.bundle(container.id) / _FILE, text)
    return document


async def _check_nested(
    document: Document, known: Mapping[str, str], lead: Mapping[str, str]
) -> None:
    bound = [
        (mount, below)
        for mount, below in zip(document["mounts"], sources.nested(document, lead), strict=True)
        if below and sources.is_bind(mount)
    ]
    items = [(known.get(mount["source"]) or mount["source"], below) for mount, below in bound]
    outcomes = await own_process.ask(linux_sources.check, items)
    for (mount, _), outcome in zip(bound, outcomes, strict=True):
        if isinstance(outcome, OSError):
            problem = f"{outcome.filename}: {outcome.strerror}"
            raise InvalidArgument(f"the mounts below {mount['destination']}", problem)


async def attach(engine: Engine, pod: state.PodRecord, container: state.ContainerRecord) -> None:
    """Mount each source at its place; ToolFailed names the one that cannot be, or that changed."""
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
    """After PATIENCE_S, whether a source does not answer: which the OCI runtime then hangs on.

    It may hang for other reasons, and be slow: None if all sources answer.
    """
    await asyncio.sleep(PATIENCE_S)
    paths = {source.path for source in _needed(engine.paths.bundle(container_id))}
    looks = (_looks.do(path, partial(_answers, path)) for path in paths)
    outcomes = await asyncio.gather(*looks, return_exceptions=True)
    return next((found for found in outcomes if isinstance(found, Unavailable)), None)


async def _answers(path: str) -> None:
    await own_process.each(linux_sources.answers, [(path,)], limit=ANSWER_S)


async def release(engine: Engine, container_id: str) -> None:
    """Unmount all places; a container that was made has mounts of its own. Idempotent."""
    await offload(linux_sources.release, engine.paths.sources(container_id))


def restored(bundle: Path, document: Document) -> Document:
    """The document of a bundle with the sources of its mounts on the node."""
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
