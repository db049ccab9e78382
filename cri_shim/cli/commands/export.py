"""Write the root file system of a container as a tar."""

import argparse

from cri_shim.cli import daemon, tar_file, which
from cri_shim.cli.arguments import CONTAINER, container_id

EXAMPLES = """
cri-shim export -o web.tar web
cri-shim export default/web/main | tar -tv
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="", help="a new file (standard output)"
    )
    parser.add_argument("container", metavar="CONTAINER", type=container_id, help=CONTAINER)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2 as control

    with tar_file.written(args.output) as file:
        async with daemon.client(args, patient=True) as client:
            id = await which.container(client, args.container)
            request = control.ExportContainerRequest(container_id=id)
            async for piece in client.control.ExportContainer(request):
                file.write(piece.data)
    return 0
