"""List the images that are here."""

import argparse
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, output
from cri_shim.cli.listing import age_of_text
from cri_shim.cli.pulls import size
from cri_shim.cli.table import Column
from cri_shim.errors import Unimplemented

if TYPE_CHECKING:
    from cri_shim.pb import api_pb2
    from cri_shim.pb.control_pb2 import ImageUsers
    from cri_shim.rpc.client import Client

_ID = 13  # characters of an id, as in the other lists

EXAMPLES = """
cri-shim image list
cri-shim image list --unused
cri-shim images -q
cri-shim images -o json
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-trunc", action="store_true", help="show full IDs")
    parser.add_argument(
        "--unused", action="store_true", help="only images that no container and no mount uses"
    )
    output.add(parser)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.cli.messages import fields
    from cri_shim.pb import api_pb2 as api

    async with daemon.client(args) as client:
        images = list((await client.image.ListImages(api.ListImagesRequest())).images)
        users = await _users(client)
    if args.unused:
        images = [image for image in images if not _used(users.get(image.id))]

    def id(image: api.Image) -> str:
        return image.id if args.no_trunc else image.id.removeprefix("sha256:")[:_ID]

    def used_by(image: api.Image) -> str:
        return _words(users[image.id]) if image.id in users else "unknown"

    def created(image: api.Image) -> str:
        return age_of_text(users[image.id].created) if image.id in users else "unknown"

    columns: list[Column[api.Image]] = [
        Column("IMAGE ID", id),
        Column("CREATED", created, rank=2),
        Column("SIZE", lambda image: size(image.size)),
        Column("USED BY", used_by, rank=1),
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


async def _users(client: "Client") -> "dict[str, ImageUsers]":
    """Return the users of each image by its id; nothing from another CRI runtime."""
    from cri_shim.pb import control_pb2 as control

    try:
        answer = await client.control.ImageUse(control.ImageUseRequest())
    except Unimplemented:
        return {}
    return {row.id: row for row in answer.images}


def _used(row: "ImageUsers | None") -> bool:
    return row is None or bool(row.containers) or row.mounted


def _words(row: "ImageUsers") -> str:
    count = len(row.containers)
    words = [f"{count} container{'s' if count > 1 else ''}"] if count else []
    return ", ".join([*words, *(["mount"] if row.mounted else [])]) or "nothing"


def _names(image: "api_pb2.Image") -> list[str]:
    return list(image.repo_tags or image.repo_digests)
