"""Remove the images that nothing uses."""

import argparse

from cri_shim.cli import daemon
from cri_shim.cli.pulls import size
from cri_shim.untrusted import one_line

EXAMPLES = """
cri-shim image prune --dry-run
cri-shim image prune --all
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="also images with a tag")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be removed")


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2

    request = control_pb2.PruneImagesRequest(all=args.all, dry_run=args.dry_run)
    async with daemon.client(args, patient=True) as client:
        answer = await client.control.PruneImages(request)
    for image in answer.images:
        print(one_line(" ".join([image.id, *image.names])))
    print(f"{size(answer.freed)} {'would be' if args.dry_run else 'were'} freed")
    return 0
