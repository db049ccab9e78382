"""Finds the pod or container of a name or an id; the daemon decides (cri_shim/resolve.py).

A daemon that is older than this command, or another CRI runtime, knows ids only.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cri_shim.cli import exit_codes
from cri_shim.cli.arguments import any_id
from cri_shim.errors import CriShimError, InvalidArgument, NotFound, Unimplemented

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client


@dataclass(frozen=True, slots=True)
class Object:
    kind: str  # pod or container
    id: str
    name: str  # NAMESPACE/NAME or NAMESPACE/POD/NAME; the id if no name is known


def add_ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "ids",
        nargs="+",
        metavar="NAME",
        type=any_id,
        help="container or pod: name, ID, or unique ID prefix",
    )


async def find(client: "Client", word: str, kind: str = "", *, whole_pod: bool = False) -> Object:
    """Return the pod or container. NotFound; InvalidArgument if several match.

    `kind` is pod or container, or "" for either. If it is container, a pod stands for its only
    container; with `whole_pod` the pod itself is returned.
    """
    from cri_shim.pb import control_pb2

    request = control_pb2.FindRequest(word=word, kind=kind, whole_pod=whole_pod)
    try:
        found = await client.control.Find(request)
    except Unimplemented:
        return await _by_id(client, word, kind)
    return Object(found.kind, found.id, found.name)


async def container(client: "Client", word: str) -> str:
    """Return the id of a container. Errors are those of `find`."""
    return (await find(client, word, "container")).id


async def pod(client: "Client", word: str) -> str:
    """Return the id of a pod. Errors are those of `find`."""
    return (await find(client, word, "pod")).id


async def _by_id(client: "Client", id: str, kind: str) -> Object:
    from cri_shim.pb import api_pb2 as api

    found: list[Object] = []
    if kind != "container":
        pods = await client.runtime.ListPodSandbox(
            api.ListPodSandboxRequest(filter=api.PodSandboxFilter(id=id))
        )
        found += [Object("pod", pod.id, pod.id) for pod in pods.items]
    if kind != "pod":
        answer = await client.runtime.ListContainers(
            api.ListContainersRequest(filter=api.ContainerFilter(id=id))
        )
        found += [Object("container", one.id, one.id) for one in answer.containers]
    fitting = [one for one in found if one.id == id] or found
    if not fitting:
        raise NotFound(f"no {kind or 'pod or container'} with ID {id}; this daemon knows no names")
    if len(fitting) > 1:
        those = ", ".join(f"{one.kind} {one.id}" for one in fitting)
        raise InvalidArgument("", f"{id} is ambiguous: {those}")
    return fitting[0]


async def each(words: Sequence[str], act: Callable[[str], Awaitable[None]]) -> int:
    """Act on one object after the other; print an error and continue. Return the exit code."""
    codes = []
    for word in words:
        try:
            await act(word)
        except CriShimError as e:
            print(f"cri-shim: {e}", file=sys.stderr)
            codes.append(exit_codes.of(e))
        else:
            codes.append(exit_codes.OK)
    return exit_codes.of_all(codes)
