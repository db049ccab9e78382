"""Give an image one more name."""

import argparse

from cri_shim.cli import daemon
from cri_shim.cli.arguments import image_name
from cri_shim.untrusted import one_line

EXAMPLES = """
cri-shim image tag registry.example/app:1.2 registry.example/app:stable
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="IMAGE", type=image_name, help="name or id")
    parser.add_argument("name", metavar="NAME", help="the new name")


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2

    request = control_pb2.TagImageRequest(reference=args.reference, name=args.name)
    async with daemon.client(args, patient=True) as client:
        print(one_line((await client.control.TagImage(request)).name))
    return 0
