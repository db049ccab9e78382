"""Commit: makes a layer of a container's writes, and a new image of its image and that layer.

The container is paused while its files are read, unless the caller declines. It cannot be started
or removed in that time. The layer leaves out sockets, and the files and directories made in the
root file system as mount points. The content of volumes does not belong to the container.
"""

import shlex
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TypedDict, Unpack

from cri_shim.activity import Step
from cri_shim.containers import diff, freeze
from cri_shim.engine import Engine
from cri_shim.errors import NotFound, WrongState
from cri_shim.images import commit as image_commit
from cri_shim.images import query
from cri_shim.images.tag import tag_of
from cri_shim.oci import bundle
from cri_shim.pb import state_pb2 as state
from cri_shim.spec.image_changes import Changes

_NOT_WHOLE = frozenset({state.CONTAINER_CREATING, state.CONTAINER_REMOVING})


class How(TypedDict, total=False):
    """Metadata of the image, its changes, and whether to pause the container (default: yes)."""

    author: str
    message: str
    changes: Changes  # see spec/image_changes.py
    pause: bool


async def commit(engine: Engine, container_id: str, name: str = "", **how: Unpack[How]) -> str:
    """Return the id of the new image; it has the name `name`, or no name if `name` is empty.

    An image that had the name loses it. InvalidArgument for a bad name or change; NotFound for an
    unknown container, or if its image, whose config is needed, has been removed.
    """
    tags = [tag_of(name)] if name else []
    container = engine.objects.container(container_id)
    base = query.resolve(engine, container.image_id)
    if base is None:
        raise NotFound(
            f"container {container.id}: its image {container.image_id} is no longer on this node;"
            " pull it again, then commit"
        )
    message = image_commit.Message(
        created_by=_command(engine, container.id),
        author=how.get("author", ""),
        comment=how.get("message", ""),
        changes=how.get("changes", ()),
    )

    async def pack(tar: Path) -> tuple[str, int]:
        return await _pack(engine, container.id, tar, pause=how.get("pause", True))

    subject = engine.objects.container_subject(container.id)
    with engine.work.operations.serving("CommitContainer", subject):
        image = await image_commit.commit(engine, base, pack, message, tags)
    return image.id


async def _pack(engine: Engine, id: str, tar: Path, *, pause: bool) -> tuple[str, int]:
    async with engine.objects.lock(id):
        container = engine.objects.container(id)
        if container.phase in _NOT_WHOLE:
            raise WrongState(f"container {id} is being made or removed: it cannot be committed")
        own = diff.writable_layer(engine, container)
        hidden = diff.mount_points(engine, id)
        packing = Step("pack", "its writable layer to be packed", expected=True, program=True)
        async with freeze.frozen(engine, container) if pause else nullcontext():
            with packing:
                return await engine.images.layers.pack(Path(own.path), tar, own.ids, hidden)


def _command(engine: Engine, id: str) -> str:
    """Return the container's command in one line."""
    return shlex.join(_arguments(engine, id))


def _arguments(engine: Engine, id: str) -> Iterator[str]:
    try:
        document = bundle.spec(engine.paths.bundle(id))
    except (OSError, ValueError):
        return
    yield from (document.get("process") or {}).get("args") or []
