"""The log files that the words of `logs` mean: of containers, of a pod's containers, or a path."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.cli import which
from cri_shim.errors import NotFound, WrongState

_START_ERROR = "StartError"  # the reason of a failed start

if TYPE_CHECKING:
    from cri_shim.pb import api_pb2
    from cri_shim.rpc.client import Client


@dataclass(frozen=True, slots=True)
class Source:
    """A log file. `container` is the id of its container; "" if only the path is known."""

    name: str
    path: Path
    container: str = ""
    problem: str = ""  # why there may be no log: the container was never started
    waiting: bool = False  # the container may still be started


def is_path(word: str) -> bool:
    """Whether a word is a path and not a name: it begins with a slash or a dot."""
    return word.startswith(("/", "."))


def of_path(word: str) -> Source:
    return Source(word, Path(word))


async def of_word(client: "Client", word: str, *, previous: bool) -> list[Source]:
    """Return the logs of a container, or of all containers of a pod, each by its newest instance.

    With `previous` they are those of the instance before. NotFound; WrongState without a log file.
    """
    found = await which.find(client, word, "container", whole_pod=True)
    if found.kind == "pod":
        wanted = await _containers(client, found)
        if not wanted:
            raise NotFound(f"pod {found.name} has no container")
    else:
        wanted = [(found.name, found.id)]
    sources = []
    for name, id in wanted:
        status = await _status(client, id)
        sources.append(await _previous(client, name, status) if previous else _source(name, status))
    return sources


async def _containers(client: "Client", pod: which.Object) -> list[tuple[str, str]]:
    """Return the newest instance of each container of a pod: its full name and id."""
    rows = await _rows(client, pod.id)
    newest = {row.metadata.name: row for row in sorted(rows, key=lambda r: r.metadata.attempt)}
    return [(f"{pod.name}/{name}", row.id) for name, row in newest.items()]


async def _rows(client: "Client", pod: str) -> "Sequence[api_pb2.Container]":
    from cri_shim.pb import api_pb2 as api

    request = api.ListContainersRequest(filter=api.ContainerFilter(pod_sandbox_id=pod))
    return (await client.runtime.ListContainers(request)).containers


async def _status(client: "Client", id: str) -> "api_pb2.ContainerStatus":
    from cri_shim.pb import api_pb2 as api

    return (
        await client.runtime.ContainerStatus(api.ContainerStatusRequest(container_id=id))
    ).status


def _source(name: str, status: "api_pb2.ContainerStatus") -> Source:
    from cri_shim.pb import api_pb2 as api

    if not status.log_path:
        raise WrongState(f"container {name} has no log file: it was created without one")
    problem = ""
    if status.state == api.CONTAINER_CREATED:
        problem = f"container {name} was not started yet"
    elif status.state == api.CONTAINER_EXITED and _never_started(status):
        why = ": ".join(filter(None, [status.reason, status.message]))
        problem = f"container {name} never started: {why or 'the reason is not known'}"
    waiting = status.state == api.CONTAINER_CREATED
    return Source(name, Path(status.log_path), status.id, problem, waiting)


def _never_started(status: "api_pb2.ContainerStatus") -> bool:
    """Whether an ended container ran no program: a failed start has a time of its own."""
    return not status.started_at or status.reason == _START_ERROR


async def _previous(client: "Client", name: str, status: "api_pb2.ContainerStatus") -> Source:
    """Return the log of the instance before this one, also if only its file is left.

    The kubelet calls the files ATTEMPT.log.
    """
    attempt = status.metadata.attempt
    older = [
        row
        for row in await _rows(client, await _pod(client, status.id))
        if row.metadata.name == status.metadata.name and row.metadata.attempt < attempt
    ]
    if older:
        newest = max(older, key=lambda row: row.metadata.attempt)
        shown = f"{name} (attempt {newest.metadata.attempt})"
        return _source(shown, await _status(client, newest.id))
    path = Path(status.log_path)
    if attempt and path.stem == str(attempt):
        return Source(f"{name} (attempt {attempt - 1})", path.with_name(f"{attempt - 1}.log"))
    raise NotFound(f"container {name} has no previous instance: it was not restarted")


async def _pod(client: "Client", container: str) -> str:
    from cri_shim.pb import api_pb2 as api

    request = api.ListContainersRequest(filter=api.ContainerFilter(id=container))
    rows = (await client.runtime.ListContainers(request)).containers
    if not rows:
        raise NotFound(f"container {container} was removed meanwhile")
    return rows[0].pod_sandbox_id
