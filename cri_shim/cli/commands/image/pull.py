"""Pull an image from its registry."""

import argparse
import asyncio
from typing import TYPE_CHECKING

from cri_shim.cli import credentials, daemon
from cri_shim.cli.pulls import beside
from cri_shim.errors import NotFound
from cri_shim.registry.reference import parse

if TYPE_CHECKING:
    from cri_shim.pb.api_pb2 import PullImageRequest
    from cri_shim.rpc.client import Client

EXAMPLES = """
cri-shim image pull docker.io/library/busybox
cri-shim image pull --creds user registry.example/app:1.2
cri-shim image pull --authfile auth.json registry.example/app:1.2
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="IMAGE", help="name of the image")
    creds = parser.add_mutually_exclusive_group()
    creds.add_argument(
        "--creds", metavar="USER[:PASSWORD]",
        help="credentials for the registry; without a password, it is asked for",
    )  # fmt: skip
    creds.add_argument(
        "--creds-stdin", action="store_true", help="read USER:PASSWORD from standard input"
    )
    creds.add_argument("--authfile", metavar="FILE", help="take them from this auth file")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not show the progress")


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import api_pb2 as api

    request = api.PullImageRequest(image=api.ImageSpec(image=args.reference))
    if (found := _credentials(args)) is not None:
        request.auth.username, request.auth.password = found
    async with daemon.client(args, patient=True) as client:
        pulling = asyncio.ensure_future(_pulled(client, request))
        shown = pulling if args.quiet else beside(client, args.reference, pulling)
        print(await shown)
    return 0


def _credentials(args: argparse.Namespace) -> tuple[str, str] | None:
    """Return user and password; None without a flag: then the daemon looks for its own."""
    if args.creds is not None:
        return credentials.user_and_password(args.creds)
    if args.creds_stdin:
        return credentials.user_and_password(credentials.read_line())
    if args.authfile is None:
        return None
    registry = parse(args.reference).registry
    if (found := credentials.of(args.authfile, registry)) is None:
        raise NotFound(f"{args.authfile} has no credentials of {registry}")
    return found


async def _pulled(client: "Client", request: "PullImageRequest") -> str:
    return (await client.image.PullImage(request)).image_ref
