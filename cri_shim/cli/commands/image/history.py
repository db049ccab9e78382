"""Show the steps that made an image, the newest first."""

import argparse
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, output
from cri_shim.cli.arguments import image_name
from cri_shim.cli.listing import age_of_text
from cri_shim.cli.pulls import size
from cri_shim.cli.table import Column

if TYPE_CHECKING:
    from cri_shim.pb.control_pb2 import ImageStep

_ID = 13  # characters of an id, as in the lists
EXAMPLES = """
cri-shim image history busybox
cri-shim image history busybox -o json
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="IMAGE", type=image_name, help="name or id")
    output.add(parser)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.cli.messages import fields
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args) as client:
        request = control.ImageHistoryRequest(reference=args.reference)
        answer = await client.control.ImageHistory(request)
    output.show(
        args,
        list(answer.steps),
        _COLUMNS,
        document=lambda: fields(answer),
        id=lambda step: step.diff_id or "none",
        name=lambda step: step.diff_id or "none",
    )
    return 0


_COLUMNS: "list[Column[ImageStep]]" = [
    Column("LAYER", lambda step: step.diff_id.removeprefix("sha256:")[:_ID] or "none"),
    Column("CREATED", lambda step: age_of_text(step.created), rank=2),
    Column("SIZE", lambda step: size(step.size)),
    Column("CREATED BY", lambda step: step.created_by, cut=True),
    Column("COMMENT", lambda step: step.comment, rank=1, cut=True),
]
