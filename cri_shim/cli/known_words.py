"""The words that the daemon and the configuration know: names, ids, images, keys, handlers."""

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim import config
from cri_shim.cli.arguments import (
    any_id,
    container_id,
    handler,
    image_name,
    key_assignment,
    pod_id,
)
from cri_shim.cli.candidates import Candidate
from cri_shim.config.schema import KEYS
from cri_shim.errors import CriShimError

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client

_TIMEOUT_S = 2.0  # for the daemon's answer: the user waits at the prompt
_SHORT = 13  # characters of an id, as in the lists
_HANDLERS = ("crun", "runc")  # that need no configuration

OF_THE_DAEMON = (any_id, container_id, image_name, pod_id)


def known(kind: object, begin: str, socket: Path, settings: config.Config) -> list[Candidate]:
    """Return the words for the `type` of an argument; those of the daemon if it answers in time."""
    if kind is key_assignment:
        return [(f"{name}=", key.doc) for name, key in KEYS.items()]
    if kind is handler:
        return [(name, "") for name in dict.fromkeys([*_HANDLERS, *settings.runtimes])]
    if kind in OF_THE_DAEMON:
        with suppress(CriShimError, TimeoutError):
            return asyncio.run(asyncio.wait_for(_asked(kind, begin, socket), _TIMEOUT_S))
    return []


async def _asked(kind: object, begin: str, socket: Path) -> list[Candidate]:
    from cri_shim.pb import api_pb2 as api
    from cri_shim.rpc.client import Client

    async with Client(socket) as client:
        if kind is image_name:
            images = (await client.image.ListImages(api.ListImagesRequest())).images
            return [(tag, f"image {i.id[:_SHORT]}") for i in images for tag in i.repo_tags]
        return await _objects(client, kind, begin)


async def _objects(client: "Client", kind: object, begin: str) -> list[Candidate]:
    """Return the shortest unique name of each object; after a slash full names; ids after a digit.

    A pod is offered where a container is expected, too: it stands for its only one.
    """
    from cri_shim.pb import api_pb2 as api

    pods = (await client.runtime.ListPodSandbox(api.ListPodSandboxRequest())).items
    named = {pod.id: (pod.metadata.namespace, pod.metadata.name) for pod in pods}
    objects = [("pod", id, name) for id, name in named.items()]
    if kind is not pod_id:
        answer = await client.runtime.ListContainers(api.ListContainersRequest())
        objects += [
            ("container", one.id, (*named.get(one.pod_sandbox_id, ()), one.metadata.name))
            for one in answer.containers
        ]
    counts = Counter(name for _, _, parts in objects for name in _suffixes(parts))
    found = []
    for what, id, parts in objects:
        names = _suffixes(parts)
        shortest = next((name for name in names if counts[name] == 1), names[-1])
        found.append((shortest, f"{what} {id[:_SHORT]}"))
        if begin:
            found += [(name, f"{what} {id[:_SHORT]}") for name in names if name != shortest]
            found.append((id[:_SHORT], f"{what} {'/'.join(parts)}"))
    return found


def _suffixes(parts: tuple[str, ...]) -> list[str]:
    """Return the names of an object, the shortest first: main, web/main, default/web/main."""
    return ["/".join(parts[at:]) for at in range(len(parts) - 1, -1, -1)]
