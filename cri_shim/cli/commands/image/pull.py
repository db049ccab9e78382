"""Pull an image from its registry."""

import argparse
import asyncio
from typing import TYPE_CHECKING

from cri_shim.cli import daemon
from cri_shim.cli.pulls import beside

if TYPE_CHECKING:
    from cri_shim.pb.api_pb2 import PullImageRequest
    from cri_shim.rpc.client import Client

EXAMPLES = """
cri-shim image pull docker.io/library/busybox
cri-shim image pull --creds user:password registry.example/app:1.2
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="IMAGE", help="name of the image")
    parser.add_argument("--creds", metavar="USER:PASSWORD", help="credentials for the registry")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not show the progress")


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import api_pb2 as api

    request = api.PullImageRequest(image=api.ImageSpec(image=args.reference))
    if args.creds:
        user, _, password = args.creds.partition(":")
        request.auth.username, request.auth.password = user, password
    async with daemon.client(args, patient=True) as client:
        pulling = asyncio.ensure_future(_pulled(client, request))
        shown = pulling if args.quiet else beside(client, args.reference, pulling)
        print(await shown)
    return 0


async def _pulled(client: "Client", request: "PullImageRequest") -> str:
    return (await client.image.PullImage(request)).image_ref
