"""Show what the top layer of an image changes, or what differs between two images."""

import argparse

from cri_shim.cli import changes, daemon, output
from cri_shim.cli.arguments import image_name

EXAMPLES = """
cri-shim image diff registry.example/app:2
cri-shim image diff registry.example/app:2 registry.example/app:1
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="IMAGE", type=image_name, help="name or id")
    parser.add_argument(
        "other", nargs="?", default="", metavar="OTHER", type=image_name,
        help="the image to compare with (the image without its top layer)",
    )  # fmt: skip
    output.add_object(parser)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args, patient=True) as client:
        request = control.DiffImageRequest(reference=args.reference, other=args.other)
        await changes.show(args, client.control.DiffImage(request))
    return 0
