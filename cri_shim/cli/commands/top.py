"""List the processes of a container."""

import argparse
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, output, which
from cri_shim.cli.arguments import CONTAINER, container_id
from cri_shim.cli.table import Column

if TYPE_CHECKING:
    from cri_shim.pb import control_pb2

EXAMPLES = """
cri-shim top web
cri-shim top default/web/main -o json
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("container", metavar="CONTAINER", type=container_id, help=CONTAINER)
    output.add(parser)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.cli.messages import fields
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args) as client:
        id = await which.container(client, args.container)
        answer = await client.control.TopContainer(control.TopContainerRequest(container_id=id))
    output.show(
        args,
        list(answer.processes),
        _COLUMNS,
        document=lambda: fields(answer),
        id=lambda row: str(row.pid),
        name=lambda row: str(row.host_pid),
    )
    return 0


def _percent(row: "control_pb2.Process") -> str:
    return f"{100 * row.cpu / row.elapsed:.1f}" if row.elapsed else "0.0"


_COLUMNS: "list[Column[control_pb2.Process]]" = [
    Column("USER", lambda row: row.user),
    Column("PID", lambda row: str(row.pid)),
    Column("PPID", lambda row: str(row.ppid), rank=3),
    Column("HOST PID", lambda row: str(row.host_pid), rank=1),
    Column("STATE", lambda row: row.state, rank=4),
    Column("%CPU", _percent, rank=2),
    Column("ELAPSED", lambda row: f"{row.elapsed:.0f}s", rank=3),
    Column("TTY", lambda row: row.tty, rank=5),
    Column("COMMAND", lambda row: " ".join(row.command), cut=True),
]
