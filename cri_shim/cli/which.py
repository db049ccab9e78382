"""Finds the pod or container of an id, for commands that accept both.

The id must be complete, or a prefix that only one of all pods and containers has.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cri_shim.cli.arguments import any_id
from cri_shim.errors import CriShimError, InvalidArgument, NotFound

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client


@dataclass(frozen=True, slots=True)
class Object:
    kind: Literal["pod", "container"]
    id: str


def add_ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "ids",
        nargs="+",
        metavar="NAME",
        type=any_id,
        help="container or pod: name, ID, or unique ID prefix",
    )


async def find(client: "Client", id: str) -> Object:
    """Return the object of an id. NotFound; InvalidArgument if several have this prefix."""
    from cri_shim.pb import api_pb2 as api

    pods = await client.runtime.ListPodSandbox(
        api.ListPodSandboxRequest(filter=api.PodSandboxFilter(id=id))
    )
    containers = await client.runtime.ListContainers(
        api.ListContainersRequest(filter=api.ContainerFilter(id=id))
    )
    found = [Object("pod", pod.id) for pod in pods.items]
    found += [Object("container", container.id) for container in containers.containers]
    fitting = [one for one in found if one.id == id] or found
    if not fitting:
        raise NotFound(f"there is no pod and no container with id {id}")
    if len(fitting) > 1:
        those = ", ".join(f"{one.kind} {one.id}" for one in fitting)
        raise InvalidArgument("", f"{id} is the beginning of several ids: {those}")
    return fitting[0]


async def each(ids: Sequence[str], act: Callable[[str], Awaitable[None]]) -> int:
    """Act on one id after the other; print an error and continue. Return the exit code."""
    code = 0
    for id in ids:
        try:
            await act(id)
        except CriShimError as e:
            print(f"cri-shim: {e}", file=sys.stderr)
            code = 1
    return code
