"""Attributes of a container that the daemon sets itself, because OCI runtimes in use do not.

They are the scheduler and the io priority of its process, its memory policy, and network devices
of the node. Only plugins of the node ask for them. They are kept in a file of the bundle in the
words of the OCI document, so that the next daemon can complete a start.
"""

import json
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from cri_shim.aio.offload import offload
from cri_shim.engine import Engine
from cri_shim.errors import NotFound, ToolFailed
from cri_shim.linux import rtnetlink, scheduling
from cri_shim.linux.privacy import write_private
from cri_shim.pb import state_pb2 as state
from cri_shim.spec.document import Document

_FILE = "attributes.json"
_OF_PROCESS = ("scheduler", "ioPriority")
_OF_LINUX = ("netDevices", "memoryPolicy")


def separate(where: Path, document: Document) -> Document:
    """Write the attributes of a document to its bundle; return the document without them."""
    process, linux = document["process"], document["linux"]
    found = {key: process[key] for key in _OF_PROCESS if key in process}
    found |= {key: linux[key] for key in _OF_LINUX if key in linux}
    if not found:
        return document
    write_private(where / _FILE, json.dumps(found))
    return {
        **document,
        "process": {key: value for key, value in process.items() if key not in _OF_PROCESS},
        "linux": {key: value for key, value in linux.items() if key not in _OF_LINUX},
    }


def joined(where: Path, document: Document) -> Document:
    """Return a document of a bundle with the attributes in it again."""
    found = of(where)
    return {
        **document,
        "process": document["process"] | {k: found[k] for k in _OF_PROCESS if k in found},
        "linux": document["linux"] | {k: found[k] for k in _OF_LINUX if k in found},
    }


def of(where: Path) -> dict[str, Any]:
    """Return the attributes of a bundle; {} for almost every one."""
    try:
        found: dict[str, Any] = json.loads((where / _FILE).read_text())
    except FileNotFoundError:
        return {}
    return found


def inherited(where: Path) -> AbstractContextManager[None]:
    """Return a context in which processes are started that inherit the memory policy."""
    policy = of(where).get("memoryPolicy")
    return nullcontext() if policy is None else scheduling.memory_policy(policy)


async def apply(engine: Engine, container: state.ContainerRecord) -> None:
    """Set the attributes of a container that was made and whose program has not begun.

    ToolFailed names the attribute and the reason.
    """
    found = of(engine.paths.bundle(container.id))
    pid = container.init.pid
    if "scheduler" in found:
        _set("scheduler", container, partial(scheduling.set_scheduler, pid, found["scheduler"]))
    if "ioPriority" in found:
        priority = partial(scheduling.set_io_priority, pid, found["ioPriority"])
        _set("io priority", container, priority)
    for name, device in found.get("netDevices", {}).items():
        netns = Path(f"/proc/{pid}/ns/net")
        try:
            await offload(rtnetlink.move, name, device.get("name") or name, netns)
        except (OSError, NotFound) as e:
            reason = e.strerror if isinstance(e, OSError) else e
            raise ToolFailed(
                f"container {container.id}: network device {name} cannot be moved into it: {reason}"
            ) from e


def _set(what: str, container: state.ContainerRecord, work: "partial[None]") -> None:
    try:
        work()
    except OSError as e:
        raise ToolFailed(f"container {container.id}: its {what} is refused: {e.strerror}") from e
