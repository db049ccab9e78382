"""End the mount of an image."""

import argparse

from cri_shim.cli import daemon
from cri_shim.cli.arguments import image_name

EXAMPLES = """
cri-shim image unmount busybox
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lazy", action="store_true", help="also while a program uses it")
    parser.add_argument("reference", metavar="IMAGE", type=image_name, help="name or id")


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args, patient=True) as client:
        request = control.UnmountImageRequest(reference=args.reference, lazy=args.lazy)
        await client.control.UnmountImage(request)
    return 0
