"""Send a signal to the first process of containers."""

import argparse
import functools
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, which
from cri_shim.cli.arguments import CONTAINER, container_id

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client

EXAMPLES = """
cri-shim kill web
cri-shim kill -s HUP default/web/main
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-s", "--signal", metavar="SIGNAL", default="KILL", help="name or number (KILL)"
    )
    parser.add_argument(
        "containers", nargs="+", metavar="CONTAINER", type=container_id, help=CONTAINER
    )


async def run(args: argparse.Namespace) -> int:
    async with daemon.client(args, patient=True) as client:
        return await which.each(args.containers, functools.partial(_kill, client, args.signal))


async def _kill(client: "Client", signal: str, word: str) -> None:
    from cri_shim.pb import control_pb2 as control

    id = await which.container(client, word)
    await client.control.KillContainer(control.KillContainerRequest(container_id=id, signal=signal))
    print(word)
