"""Mount an image for reading and print the path."""

import argparse

from cri_shim.cli import daemon
from cri_shim.cli.arguments import image_name

EXAMPLES = """
ls $(cri-shim image mount busybox)
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="IMAGE", type=image_name, help="name or id")


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args, patient=True) as client:
        request = control.MountImageRequest(reference=args.reference)
        print((await client.control.MountImage(request)).path)
    return 0
