"""inspect: all that is known of containers and pods, as JSON.

The JSON has the form of crictl's inspect and inspectp: an object for one id, a list for several.
"""

import argparse
import json
from typing import TYPE_CHECKING, Any

from cri_shim import config
from cri_shim.cli.which import add_ids, find

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client


def add(parser: argparse.ArgumentParser) -> None:
    add_ids(parser)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.rpc.client import Client

    settings = config.load(args.config, args.overrides)
    async with Client(settings.server.socket) as client:
        answers = [await _answer(client, id) for id in args.ids]
    shown = answers if len(answers) > 1 else answers[0]
    print(json.dumps(shown, indent=2, sort_keys=True))
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
