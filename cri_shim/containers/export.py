"""Exports the whole root file system of a container as a tar, without its mounts.

The export of a running container is only as consistent as any copy of files in use.
"""

import os
import secrets
from functools import partial
from pathlib import Path
from typing import BinaryIO

from cri_shim.activity import Step, Subject
from cri_shim.containers import copy_path
from cri_shim.containers.pack_to import pack_to
from cri_shim.engine import Engine
from cri_shim.errors import ToolFailed, WrongState
from cri_shim.pb import state_pb2 as state


async def export(engine: Engine, container_id: str, to: Path | BinaryIO) -> None:
    """Write the tar to a file, or to an object with `write`; the file exists only after success.

    `to.write` is called in a thread. Owners are the container's own ids. Hard links and extended
    attributes are kept. WrongState if a reboot or a removal took the file system; ToolFailed if a
    file cannot be read or written.
    """
    container = await copy_path.mounted(engine, engine.objects.container(container_id).id)
    subject = engine.objects.container_subject(container.id)
    with engine.work.operations.serving("ExportContainer", subject):
        with Step("files", "its files to be packed and taken", expected=True, program=True):
            await _export(engine, container, subject, to)


async def _export(
    engine: Engine, container: state.ContainerRecord, subject: Subject, to: Path | BinaryIO
) -> None:
    attempt = f"cannot export {subject}"
    if not isinstance(to, Path):
        await pack_to(engine, container, attempt, ["whole"], to)
        _still_there(engine, subject)
        return
    draft = to.with_name(f".{to.name}.{secrets.token_hex(4)}")
    try:
        with open(draft, "xb", opener=partial(os.open, mode=0o600)) as file:
            await pack_to(engine, container, attempt, ["whole"], file)
        _still_there(engine, subject)
        draft.rename(to)
    except OSError as e:
        raise ToolFailed(f"{attempt} to {to}: {e}") from e
    finally:
        draft.unlink(missing_ok=True)


def _still_there(engine: Engine, subject: Subject) -> None:
    container = engine.objects.find_container(subject.id)
    if container is None or container.phase == state.CONTAINER_REMOVING:
        raise WrongState(f"{subject} was removed while it was exported")
