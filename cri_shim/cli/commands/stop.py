"""Stop running containers, or pods with all their containers."""

import argparse
import functools
from typing import TYPE_CHECKING

from cri_shim.cli import daemon
from cri_shim.cli.which import add_ids, each, find

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client


EXAMPLES = """
cri-shim stop -t 10 default/web/main
cri-shim stop web
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-t", "--timeout", metavar="SECONDS", type=int, default=0,
        help="grace period before a container is killed (0)",
    )  # fmt: skip
    add_ids(parser)


async def run(args: argparse.Namespace) -> int:
    async with daemon.client(args, patient=True) as client:
        return await each(args.ids, functools.partial(_stop, client, args.timeout))


async def _stop(client: "Client", timeout: int, id: str) -> None:
    from cri_shim.pb import api_pb2 as api

    one = await find(client, id)
    if one.kind == "pod":
        await client.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id=one.id))
        print(f"Stopped sandbox {id}")
    else:
        await client.runtime.StopContainer(
            api.StopContainerRequest(container_id=one.id, timeout=timeout)
        )
        print(id)
