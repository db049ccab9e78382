"""Change the resource limits of a running container."""

import argparse

from cri_shim.cli import daemon, which
from cri_shim.cli.arguments import CONTAINER, container_id, memory
from cri_shim.cli.exit_codes import UsageError

_PERIOD_US = 100_000  # of the CPU quota
EXAMPLES = """
cri-shim update -m 512m --cpus 1.5 web
cri-shim update --cpuset-cpus 0-1 default/web/main
"""


def add(parser: argparse.ArgumentParser) -> None:
    flag = parser.add_argument
    flag("-m", "--memory", type=memory, metavar="SIZE", help="limit, such as 512m")
    flag("--memory-swap", type=memory, metavar="SIZE", help="limit of memory and swap together")
    flag("--cpus", type=float, metavar="NUMBER", help="limit, such as 1.5")
    flag("--cpu-shares", type=int, metavar="NUMBER", help="weight, 1024 by default")
    flag("--cpuset-cpus", metavar="LIST", help="CPUs, such as 0-2,4")
    flag("--cpuset-mems", metavar="LIST", help="memory nodes")
    flag("container", metavar="CONTAINER", type=container_id, help=CONTAINER)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import api_pb2 as api

    given = {
        "memory_limit_in_bytes": args.memory,
        "memory_swap_limit_in_bytes": args.memory_swap,
        "cpu_shares": args.cpu_shares,
        "cpuset_cpus": args.cpuset_cpus,
        "cpuset_mems": args.cpuset_mems,
    }
    if args.cpus is not None:
        given |= {"cpu_period": _PERIOD_US, "cpu_quota": round(args.cpus * _PERIOD_US)}
    limits = {field: value for field, value in given.items() if value is not None}
    if not limits:
        raise UsageError("no limit is given: use --memory, --cpus, ...")
    async with daemon.client(args, patient=True) as client:
        id = await which.container(client, args.container)
        await client.runtime.UpdateContainerResources(
            api.UpdateContainerResourcesRequest(
                container_id=id, linux=api.LinuxContainerResources(**limits)
            )
        )
    print(args.container)
    return 0
