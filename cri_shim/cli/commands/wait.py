"""Wait until containers have ended, and print their exit codes."""

import argparse
import functools
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, which
from cri_shim.cli.arguments import CONTAINER, container_id

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client

_CONDITIONS = ("exited", "running", "paused", "removed")
EXAMPLES = """
cri-shim wait web
cri-shim wait --condition running default/web/main
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--condition", choices=_CONDITIONS, default="exited", metavar="CONDITION",
        help=f"what to wait for: {', '.join(_CONDITIONS)} (exited)",
    )  # fmt: skip
    parser.add_argument(
        "containers", nargs="+", metavar="CONTAINER", type=container_id, help=CONTAINER
    )


async def run(args: argparse.Namespace) -> int:
    async with daemon.client(args, patient=True) as client:
        return await which.each(args.containers, functools.partial(_wait, client, args.condition))


async def _wait(client: "Client", condition: str, word: str) -> None:
    from cri_shim.pb import control_pb2 as control

    id = await which.container(client, word)
    answer = await client.control.WaitContainer(
        control.WaitContainerRequest(container_id=id, condition=condition)
    )
    print(answer.exit_code if condition == "exited" else word, flush=True)
