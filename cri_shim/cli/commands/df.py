"""Show what images, containers and logs take of the disk, and what pruning would free.

With image.keep_blobs, most layers are on the disk twice: as pulled, and unpacked.
"""

import argparse
from typing import TYPE_CHECKING, Any

from cri_shim.cli import daemon, output, table
from cri_shim.cli.pulls import size
from cri_shim.cli.table import Column

if TYPE_CHECKING:
    from cri_shim.pb import control_pb2 as control

_ID = 13  # characters of an id, as in the lists
EXAMPLES = """
cri-shim df
cri-shim df -o json
"""


def add(parser: argparse.ArgumentParser) -> None:
    output.add_object(parser)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.cli.messages import fields
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args) as client:
        found = await client.control.DiskUsage(control.DiskUsageRequest())
    output.show_object(args, fields(found), lambda: "\n".join(_text(found)))
    return 0


def _text(found: "control.DiskUsageResponse") -> list[str]:
    images: list[Column[Any]] = [
        Column("IMAGE", lambda i: ", ".join(i.names) or i.id[:_ID], cut=True),
        Column("SHARED", lambda i: size(i.shared)),
        Column("OWN", lambda i: size(i.own)),
        Column("CONTAINERS", lambda i: str(i.containers), rank=1),
    ]
    containers: list[Column[Any]] = [
        Column("CONTAINER", lambda c: c.id[:_ID], rank=1),
        Column("NAME", lambda c: c.name, cut=True),
        Column("STATE", lambda c: c.state, rank=2),
        Column("WRITABLE", lambda c: size(c.writable) if c.measured else "not measured yet"),
        Column("LOG", lambda c: size(c.log)),
    ]
    width = table.terminal_width()
    lines = table.lines(images, sorted(found.images, key=lambda i: -i.own), width=width)
    if found.containers:
        ordered = sorted(found.containers, key=lambda c: -(c.writable + c.log))
        lines += ["", *table.lines(containers, ordered, width=width)]
    return [*lines, "", *_summary(found)]


def _summary(found: "control.DiskUsageResponse") -> list[str]:
    writable = sum(one.writable for one in found.containers)
    logs = sum(one.log for one in found.containers)
    blobs = f"{size(found.blobs)} of manifests and configs"
    if found.keep_blobs:
        blobs = f"{size(found.blobs)} compressed (image.keep_blobs)"
    return [
        f"layers:            {size(found.layers)}",
        f"blobs:             {blobs}",
        f"writable layers:   {size(writable)}",
        f"logs:              {size(logs)}",
        f"image prune:       would free {size(found.prune_images)}",
        f"image prune --all: would free {size(found.prune_all_images)}",
        f"disk:              {size(found.free)} free of {size(found.total)} ({found.root})",
    ]
