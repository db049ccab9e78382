"""Show everything that is known of an image, with podman's keys."""

import argparse
import json

from cri_shim.cli import daemon, output
from cri_shim.cli.arguments import image_name

EXAMPLES = """
cri-shim image inspect docker.io/library/busybox
cri-shim image inspect busybox -o go-template='{{.Config.Cmd}}'
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "references", nargs="+", metavar="IMAGE", type=image_name, help="name or id"
    )
    output.add_object(parser, "json")


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args) as client:
        found = [
            json.loads((await client.control.InspectImage(request)).json)
            for request in (
                control.InspectImageRequest(reference=reference) for reference in args.references
            )
        ]
    output.show_object(args, found if len(found) > 1 else found[0])
    return 0
