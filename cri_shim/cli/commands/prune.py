"""Remove ended pods, and exited containers of the others."""

import argparse
import sys

from cri_shim.cli import daemon
from cri_shim.cli.exit_codes import FAILED, OK
from cri_shim.untrusted import one_line

EXAMPLES = """
cri-shim prune
"""


def add(parser: argparse.ArgumentParser) -> None:
    pass


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args, patient=True) as client:
        pruned = await client.control.PrunePods(control.PrunePodsRequest())
    for kind, ids in (("pod", pruned.pods), ("container", pruned.containers)):
        for id in ids:
            print(f"{kind} {id}")
    for id, error in pruned.errors.items():
        print(one_line(f"cri-shim: {id}: {error}"), file=sys.stderr)
    return FAILED if pruned.errors else OK
