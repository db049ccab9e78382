"""Remove names of an image; the image stays."""

import argparse

from cri_shim.cli import daemon
from cri_shim.cli.arguments import image_name

EXAMPLES = """
cri-shim image untag 6d3e4188a38a registry.example/app:old
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="IMAGE", type=image_name, help="name or id")
    parser.add_argument("names", nargs="*", metavar="NAME", help="names to remove (all)")


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args) as client:
        request = control.UntagImageRequest(reference=args.reference, names=args.names)
        await client.control.UntagImage(request)
    return 0
