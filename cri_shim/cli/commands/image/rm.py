"""Remove images with all their names."""

import argparse
import functools
from typing import TYPE_CHECKING

from cri_shim.cli import daemon
from cri_shim.cli.arguments import image_name
from cri_shim.cli.which import each
from cri_shim.errors import NotFound

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client

EXAMPLES = """
cri-shim image rm registry.example/app:1.2
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "references", nargs="+", metavar="IMAGE", type=image_name, help="name or id"
    )


async def run(args: argparse.Namespace) -> int:
    async with daemon.client(args, patient=True) as client:
        return await each(args.references, functools.partial(_remove, client))


async def _remove(client: "Client", reference: str) -> None:
    from cri_shim.pb import api_pb2 as api

    image = api.ImageSpec(image=reference)
    answer = await client.image.ImageStatus(api.ImageStatusRequest(image=image))
    if not answer.HasField("image"):
        raise NotFound(f"there is no image {reference}")
    await client.image.RemoveImage(api.RemoveImageRequest(image=image))
