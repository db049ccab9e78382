"""Plans a container: its OCI document and the origin of each field. Nothing is made.

The document is that of a container in a pod with these configs, but for ids, the paths made of
them, and addresses. Notes name what could change it and has not been tried: NRI plugins are not
asked, and precreate hooks do not run. Mounts with the ids of a user namespace, and links inside
volumes, are not tried either; a creation may refuse them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from cri_shim.containers import draft, gather, mounts, volumes
from cri_shim.containers.gather import Prepared
from cri_shim.engine import Engine
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec.document import Document
from cri_shim.spec.hooks import PRECREATE
from cri_shim.spec.origins import Recorder
from cri_shim.spec.plan import Plan, decide
from cri_shim.spec.pod_files import ALWAYS, CONFIGURED, CONTAINERENV, LOCALTIME

ID = "1" * 64  # in the place of the container's id

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Planned:
    """`origins`: JSON pointer -> origin, for the field and everything in it."""

    document: Document
    origins: Mapping[str, str]
    notes: tuple[str, ...]  # sentences about what the plan leaves out


async def plan(engine: Engine, pod: state.PodRecord, config: api.ContainerConfig) -> Planned:
    """Return the plan of a container in a pod that need not exist; the errors are those of create.

    `pod` is the record that the pod would have.
    """
    try:
        return await _plan(engine, pod, config)
    finally:
        engine.images.release_mounts()  # of layers that no container uses


async def _plan(engine: Engine, pod: state.PodRecord, config: api.ContainerConfig) -> Planned:
    container, image = draft.container(engine, pod, config, id=ID)
    recorder = Recorder()
    look = partial(_look, engine, container)
    prepared = Prepared(
        pod_files=_pod_files(engine, pod),
        images=await volumes.planned(engine, container),
        default_mounts=await mounts.planned_defaults(engine, container),
        look=look,
        dry=True,
    )
    inp = await gather.gather(engine, pod, container, image, prepared, recorder)
    found = decide(inp)
    return Planned(found.document, recorder.of(found.document), tuple(_notes(engine, found)))


async def _look(engine: Engine, container: state.ContainerRecord, work: Callable[[Path], T]) -> T:
    return await engine.images.rootfs.look(list(container.layers), work)


def _pod_files(engine: Engine, pod: state.PodRecord) -> dict[str, str]:
    made = {LOCALTIME: engine.defaults.localtime, CONTAINERENV: engine.defaults.containerenv}
    names = ALWAYS | {path: name for path, name in CONFIGURED.items() if made[path]}
    where = engine.paths.pod(pod.id) / "etc"
    return {path: str(where / name) for path, name in names.items()}


def _notes(engine: Engine, plan: Plan) -> list[str]:
    plugins = engine.plugins.changing()
    hooks = [found for found in plan.hooks if PRECREATE in found.hook.stages]
    notes = [f"the NRI plugin {name} was not asked; it may change this" for name in plugins]
    notes += [f"the precreate hook {found.file} did not run; it may change this" for found in hooks]
    return notes
