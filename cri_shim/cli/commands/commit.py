"""Make an image of a container and print its ID."""

import argparse

from cri_shim.cli import daemon, which
from cri_shim.cli.arguments import CONTAINER, container_id

EXAMPLES = """
cri-shim commit web registry.example/web:debug
cri-shim commit -c 'CMD ["sleep", "60"]' -m 'a fix' default/web/main
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--author", default="", help="author of the image")
    parser.add_argument("-m", "--message", default="", help="comment of the new layer")
    parser.add_argument(
        "-c", "--change", action="append", default=[], metavar="INSTRUCTION",
        help="a line of a Dockerfile, such as `ENV A=b`; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--no-pause", action="store_true", help="let the container run while its files are read"
    )
    parser.add_argument("container", metavar="CONTAINER", type=container_id, help=CONTAINER)
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="name of the image")


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args, patient=True) as client:
        request = control.CommitContainerRequest(
            container_id=await which.container(client, args.container),
            name=args.name,
            author=args.author,
            message=args.message,
            changes=args.change,
            no_pause=args.no_pause,
        )
        print((await client.control.CommitContainer(request)).id)
    return 0
