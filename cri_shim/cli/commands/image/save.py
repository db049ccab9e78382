"""Save an image to an archive or a directory."""

import argparse

from cri_shim.cli import daemon
from cri_shim.cli.arguments import image_name, image_target

EXAMPLES = """
cri-shim image save registry.example/app:1.2 app.tar
cri-shim image save registry.example/app:1.2 oci:/srv/layout
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="IMAGE", type=image_name, help="name or id")
    parser.add_argument(
        "target", metavar="TARGET", type=image_target,
        help="a new file (a docker-archive), or TRANSPORT:PATH as for load",
    )  # fmt: skip
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="its names there, instead of all its own"
    )


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2

    request = control_pb2.SaveImageRequest(
        reference=args.reference, target=args.target, names=args.names
    )
    async with daemon.client(args, patient=True) as client:
        print((await client.control.SaveImage(request)).id)
    return 0
