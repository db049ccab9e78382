"""Show the pulls that run, and how far they are."""

import argparse

from cri_shim.cli import daemon
from cri_shim.cli.pulls import show

EXAMPLES = """
cri-shim image pulls
cri-shim image pulls --watch
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--watch", action="store_true", help="show them until interrupted")


async def run(args: argparse.Namespace) -> int:
    async with daemon.client(args, patient=True) as client:
        await show(client, watch=args.watch)
    return 0
