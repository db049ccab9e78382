"""Resume paused containers."""

import argparse
import functools
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, which
from cri_shim.cli.arguments import CONTAINER, container_id

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client

EXAMPLES = """
cri-shim unpause web
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "containers", nargs="+", metavar="CONTAINER", type=container_id, help=CONTAINER
    )


async def run(args: argparse.Namespace) -> int:
    async with daemon.client(args, patient=True) as client:
        return await which.each(args.containers, functools.partial(_unpause, client))


async def _unpause(client: "Client", word: str) -> None:
    from cri_shim.pb import control_pb2 as control

    id = await which.container(client, word)
    await client.control.UnpauseContainer(control.UnpauseContainerRequest(container_id=id))
    print(word)
