"""Remove containers, or pods with all their containers."""

import argparse
import functools
from typing import TYPE_CHECKING

from cri_shim.cli import daemon
from cri_shim.cli.which import add_ids, each, find
from cri_shim.errors import WrongState

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client


EXAMPLES = """
cri-shim rm default/web/main
cri-shim rm -f web
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="stop running ones first")
    add_ids(parser)


async def run(args: argparse.Namespace) -> int:
    async with daemon.client(args, patient=True) as client:
        return await each(args.ids, functools.partial(_remove, client, args.force))


async def _remove(client: "Client", force: bool, id: str) -> None:
    one = await find(client, id)
    if one.kind == "pod":
        await _remove_pod(client, force, one.id, id)
    else:
        await _remove_container(client, force, one.id, id)


async def _remove_pod(client: "Client", force: bool, id: str, named: str) -> None:
    from cri_shim.pb import api_pb2 as api

    answer = await client.runtime.PodSandboxStatus(api.PodSandboxStatusRequest(pod_sandbox_id=id))
    if answer.status.state == api.SANDBOX_READY:
        if not force:
            raise WrongState(f'pod sandbox "{named}" is running, please stop it first')
        await client.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id=id))
        print(f"Stopped sandbox {named}")
    await client.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=id))
    print(f"Removed sandbox {named}")


async def _remove_container(client: "Client", force: bool, id: str, named: str) -> None:
    from cri_shim.pb import api_pb2 as api

    answer = await client.runtime.ContainerStatus(api.ContainerStatusRequest(container_id=id))
    if answer.status.state == api.CONTAINER_RUNNING and not force:
        raise WrongState(f'container "{named}" is running, please stop it first')
    await client.runtime.RemoveContainer(api.RemoveContainerRequest(container_id=id))
    print(named)
