"""Show details of containers or pods as JSON.

The JSON has the form of crictl's inspect and inspectp: an object for one id, a list for several.
"""

import argparse
import json
from typing import TYPE_CHECKING, Any

from cri_shim.cli import daemon, output
from cri_shim.cli.which import add_ids, find

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client


EXAMPLES = """
cri-shim inspect web
cri-shim inspect default/web/main -o yaml
cri-shim inspect web -o go-template='{{.info.pid}}'
"""


def add(parser: argparse.ArgumentParser) -> None:
    add_ids(parser)
    output.add_object(parser, "json")


async def run(args: argparse.Namespace) -> int:
    async with daemon.client(args) as client:
        answers = [await _answer(client, id) for id in args.ids]
    shown = answers if len(answers) > 1 else answers[0]
    output.show_object(args, json.loads(json.dumps(shown, sort_keys=True)))  # as crictl sorts it
    return 0


async def _answer(client: "Client", id: str) -> dict[str, Any]:
    from cri_shim.cli.messages import status
    from cri_shim.pb import api_pb2 as api

    one = await find(client, id)
    if one.kind == "pod":
        pod = await client.runtime.PodSandboxStatus(
            api.PodSandboxStatusRequest(pod_sandbox_id=one.id, verbose=True)
        )
        return status(pod.status, dict(pod.info))
    container = await client.runtime.ContainerStatus(
        api.ContainerStatusRequest(container_id=one.id, verbose=True)
    )
    return status(container.status, dict(container.info))
