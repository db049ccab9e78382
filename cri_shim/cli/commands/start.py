"""Start created containers, or those of a pod in the order of their dependencies."""

import argparse
import functools
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, which

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client

EXAMPLES = """
cri-shim start default/web/main
cri-shim start web
"""


def add(parser: argparse.ArgumentParser) -> None:
    which.add_ids(parser)


async def run(args: argparse.Namespace) -> int:
    async with daemon.client(args, patient=True) as client:
        return await which.each(args.ids, functools.partial(_start, client))


async def _start(client: "Client", word: str) -> None:
    from cri_shim.pb import api_pb2 as api
    from cri_shim.pb import control_pb2 as control

    one = await which.find(client, word)
    if one.kind == "pod":
        await client.control.StartPod(control.StartPodRequest(pod_sandbox_id=one.id))
    else:
        await client.runtime.StartContainer(api.StartContainerRequest(container_id=one.id))
    print(word)
