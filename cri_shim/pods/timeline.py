"""The timeline of a pod, which may have failed or be gone; and the pods that were slowest to start.

A pod is found as everywhere (see resolve.py). One that is gone is found among the timelines: by its
id, by its name (the newest of that name), or by a unique prefix of its id.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cri_shim import resolve
from cri_shim.containers import first_line
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, NotFound
from cri_shim.objects import ObjectStore
from cri_shim.pb import state_pb2 as state
from cri_shim.timeline import Entry, entry, facts, recording
from cri_shim.timeline.entry import FIRST_LINE

LOOK_S = 1.0  # for the file systems of the logs
_SHORT = 12  # characters of an id in an error
_LISTED = 10  # candidates in an error


async def of(engine: Engine, word: str) -> dict[str, Any]:
    """Return the timeline of the pod that `word` means, JSON-able.

    NotFound; InvalidArgument if several match; WrongNamespace.
    """
    try:
        id = resolve.pod(engine.objects, word).id
    except NotFound as e:
        id = _gone(await engine.timelines.names(), word, e)
    entries = await _entries(engine, id)
    entries += await _first_lines(engine, id, entries)
    return facts.timeline(id, _name(engine, id, entries), entries)


async def of_pod(engine: Engine, id: str) -> dict[str, Any]:
    """Return the timeline of the pod of this id, for its verbose status."""
    entries = await _entries(engine, id)
    return facts.timeline(id, _name(engine, id, entries), entries)


async def of_container(engine: Engine, id: str) -> dict[str, Any]:
    """Return the part of its pod's timeline that is of this container. NotFound."""
    container = engine.objects.container(id)
    entries = [one for one in await _entries(engine, container.pod_id) if one.id == id]
    return facts.timeline(id, engine.objects.container_subject(id).name, entries)


async def _entries(engine: Engine, id: str) -> list[Entry]:
    """Return the entries of a pod, and those of the operations that are in progress."""
    ended = await engine.timelines.of(id)
    now = time.monotonic()
    in_progress = [
        recording.entry(operation, now)
        for operation in engine.work.operations
        if id in engine.timelines.pods_of(operation)
    ]
    return entry.latest([*ended, *in_progress])


async def _first_lines(engine: Engine, id: str, entries: Sequence[Entry]) -> list[Entry]:
    """Look for the first line of the containers that have none yet. The looks have little time."""
    known = {one.id for one in entries if one.verb == FIRST_LINE}
    missing = [one.id for one in engine.objects.containers_of(id) if one.id not in known]
    tasks = [asyncio.create_task(first_line.entry(engine.objects, one)) for one in missing]
    if not tasks:
        return []
    done, late = await asyncio.wait(tasks, timeout=LOOK_S)
    for task in late:
        task.cancel()
    return [found for task in done if (found := task.result()) is not None]


def _name(engine: Engine, id: str, entries: Sequence[Entry]) -> str:
    pod = engine.objects.find_pod(id)
    return entry.pod_name(entries) if pod is None else resolve.name(engine.objects, pod)


async def slowest(engine: Engine, most: int) -> dict[str, Any]:
    """Return the `most` pods whose start took longest, also of those that are gone, JSON-able."""
    found = await engine.timelines.slowest(facts.start_seconds, most)
    rows = [facts.row(id, entry.pod_name(entries), entries) for id, entries in found.items()]
    return {"pods": rows}


def pod_named(objects: ObjectStore, name: str) -> str | None:
    """Return the id of the newest pod of NAMESPACE/NAME that is not being removed."""
    pods = [
        pod
        for pod in objects.pods()
        if pod.phase != state.POD_REMOVING and resolve.name(objects, pod) == name
    ]
    return max(pods, key=lambda pod: pod.created_at).id if pods else None


def _gone(names: Mapping[str, str], word: str, unknown: NotFound) -> str:
    """Return the id of a pod that is gone; `names` has the newest first. Raises `unknown`."""
    if word in names:
        return word
    named: dict[str, str] = {}
    for id, name in names.items():
        if word == name or (word == name.partition("/")[2] and "/" not in word):
            named.setdefault(name, id)
    found = list(named.values()) or [id for id in names if id.startswith(word)]
    if not found:
        raise unknown
    if len(found) > 1:
        those = ", ".join(f"pod {names[id]} ({id[:_SHORT]})" for id in found[:_LISTED])
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        raise InvalidArgument("", f"{word} is ambiguous: {those}{more}")
    return found[0]
