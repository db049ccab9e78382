"""Show the changes in the root file system of a container: A added, C changed, D deleted."""

import argparse

from cri_shim.cli import changes, daemon, output, which
from cri_shim.cli.arguments import CONTAINER, container_id

EXAMPLES = """
cri-shim diff web
cri-shim diff default/web/main -o json
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("container", metavar="CONTAINER", type=container_id, help=CONTAINER)
    output.add_object(parser)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args, patient=True) as client:
        id = await which.container(client, args.container)
        parts = client.control.DiffContainer(control.DiffContainerRequest(container_id=id))
        await changes.show(args, parts)
    return 0
