"""Show the CPU, memory and disk that containers use."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, output, table, which
from cri_shim.cli.arguments import container_id
from cri_shim.cli.pulls import size
from cri_shim.cli.screen import Screen, is_live
from cri_shim.cli.table import Column

if TYPE_CHECKING:
    from cri_shim.pb import api_pb2
    from cri_shim.rpc.client import Client

ABSENT = {"--no-stream": "one sample is shown unless --watch is given"}
_INTERVAL_S = 1.0  # between two samples: the rate of the CPU is taken over it
_ID = 13  # characters of an id, as in the lists
EXAMPLES = """
cri-shim stats
cri-shim stats --watch web
cri-shim stats -o json
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--watch", action="store_true", help="show them until interrupted")
    parser.add_argument(
        "containers", nargs="*", metavar="CONTAINER", type=container_id,
        help="names or IDs (all containers that run)",
    )  # fmt: skip
    output.add(parser)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.cli.messages import fields
    from cri_shim.pb import api_pb2 as api

    async with daemon.client(args) as client:
        ids = [await which.container(client, word) for word in args.containers]
        names = await _names(client)
        before = await _sample(client, ids)
        screen = Screen(is_live(sys.stdout))
        while True:
            await asyncio.sleep(_INTERVAL_S)
            now = await _sample(client, ids)
            columns = _columns(before, names)
            if not args.watch:
                break
            rows = list(now.values())
            screen.draw(table.lines(columns, rows, width=table.terminal_width()))
            before = now
    output.show(
        args,
        list(now.values()),
        columns,
        document=lambda: fields(api.ListContainerStatsResponse(stats=now.values())),
        id=lambda row: row.attributes.id,
        name=lambda row: names.get(row.attributes.id, row.attributes.metadata.name),
    )
    return 0


async def _names(client: "Client") -> dict[str, str]:
    """Return NAMESPACE/POD/NAME of each container by its id."""
    from cri_shim.pb import api_pb2 as api

    pods = (await client.runtime.ListPodSandbox(api.ListPodSandboxRequest())).items
    homes = {pod.id: f"{pod.metadata.namespace}/{pod.metadata.name}/" for pod in pods}
    answer = await client.runtime.ListContainers(api.ListContainersRequest())
    return {
        one.id: homes.get(one.pod_sandbox_id, "") + one.metadata.name for one in answer.containers
    }


async def _sample(client: "Client", ids: list[str]) -> "dict[str, api_pb2.ContainerStats]":
    from cri_shim.pb import api_pb2 as api

    if not ids:
        answer = await client.runtime.ListContainerStats(api.ListContainerStatsRequest())
        return {row.attributes.id: row for row in answer.stats}
    requests = (api.ContainerStatsRequest(container_id=id) for id in ids)
    rows = [(await client.runtime.ContainerStats(request)).stats for request in requests]
    return {row.attributes.id: row for row in rows}


def _columns(
    before: "dict[str, api_pb2.ContainerStats]", names: dict[str, str]
) -> "list[Column[api_pb2.ContainerStats]]":
    def cpu(row: "api_pb2.ContainerStats") -> str:
        first = before.get(row.attributes.id)
        if first is None or row.cpu.timestamp <= first.cpu.timestamp:
            return "-"
        used = row.cpu.usage_core_nano_seconds.value - first.cpu.usage_core_nano_seconds.value
        return f"{100 * used / (row.cpu.timestamp - first.cpu.timestamp):.1f}"

    return [
        Column("CONTAINER", lambda row: row.attributes.id[:_ID], rank=1),
        Column("NAME", lambda row: names.get(row.attributes.id, "unknown"), cut=True),
        Column("CPU %", cpu),
        Column("MEMORY", lambda row: size(row.memory.working_set_bytes.value)),
        Column("SWAP", lambda row: size(row.swap.swap_usage_bytes.value), rank=3),
        Column("DISK", lambda row: size(row.writable_layer.used_bytes.value)),
        Column("INODES", lambda row: str(row.writable_layer.inodes_used.value), rank=2),
    ]
