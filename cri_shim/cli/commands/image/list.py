"""List the images that are here."""

import argparse
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, output
from cri_shim.cli.pulls import size
from cri_shim.cli.table import Column

if TYPE_CHECKING:
    from cri_shim.pb import api_pb2

_ID = 13  # characters of an id, as in the other lists

EXAMPLES = """
cri-shim image list
cri-shim images -q
cri-shim images -o json
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-trunc", action="store_true", help="show full IDs")
    output.add(parser)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.cli.messages import fields
    from cri_shim.pb import api_pb2 as api

    async with daemon.client(args) as client:
        images = list((await client.image.ListImages(api.ListImagesRequest())).images)

    def id(image: api.Image) -> str:
        return image.id if args.no_trunc else image.id.removeprefix("sha256:")[:_ID]

    columns: list[Column[api.Image]] = [
        Column("IMAGE ID", id),
        Column("SIZE", lambda image: size(image.size)),
        Column("NAMES", lambda image: ", ".join(_names(image)) or "none", cut=True),
    ]
    output.show(
        args,
        images,
        columns,
        document=lambda: fields(api.ListImagesResponse(images=images)),
        id=lambda image: image.id,
        name=lambda image: next(iter(_names(image)), image.id),
    )
    return 0


def _names(image: "api_pb2.Image") -> list[str]:
    return list(image.repo_tags or image.repo_digests)
