"""Show what pods and containers use, or the processes of one container.

Without CONTAINER: CPU, memory, disk and processes of all pods that are ready and of their
containers that run. A terminal shows them again and again until Ctrl-C. PSI is the percentage of
the last ten seconds in which some task waited for the CPU, memory or the disk.
"""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, load, output, table, which
from cri_shim.cli.arguments import CONTAINER, container_id, duration
from cri_shim.cli.exit_codes import UsageError
from cri_shim.cli.screen import Screen, is_live
from cri_shim.cli.screen import size as screen_size
from cri_shim.cli.table import Column
from cri_shim.untrusted import one_line

if TYPE_CHECKING:
    from cri_shim.pb import control_pb2
    from cri_shim.rpc.client import Client

_FIRST_S = 1.0  # between the first two samples
_INTERVAL_S, _LEAST_S = 2.0, 0.2
_FRAME = 3  # lines of the screen that have no row
EXAMPLES = """
cri-shim top
cri-shim top --sort memory
cri-shim top --once -o json
cri-shim top web
cri-shim top default/web/main -o json
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "container", nargs="?", metavar="CONTAINER", type=container_id,
        help=f"show its processes; {CONTAINER}",
    )  # fmt: skip
    parser.add_argument(
        "--sort", metavar="KEY", choices=tuple(load.KEYS),
        help=f"order of the rows: {', '.join(load.KEYS)} (cpu)",
    )  # fmt: skip
    parser.add_argument("--once", action="store_true", help="print one table and end")
    parser.add_argument(
        "--interval", metavar="TIME", type=duration,
        help=f"time between two tables ({_INTERVAL_S:g}s)",
    )  # fmt: skip
    output.add(parser)


async def run(args: argparse.Namespace) -> int:
    if args.container is not None and (args.sort or args.once or args.interval):
        raise UsageError("--sort, --once and --interval are for top without a CONTAINER")
    async with daemon.client(args) as client:
        if args.container is not None:
            await _processes(args, client)
        else:
            await _loads(args, client)
    return 0


async def _loads(args: argparse.Namespace, client: "Client") -> None:
    from cri_shim.pb import control_pb2 as control

    again = sys.stdout.isatty() and not (args.once or args.quiet) and args.output in _TABLES
    screen, sort = Screen(is_live(sys.stdout)), args.sort or "cpu"
    before = await client.control.Load(control.LoadRequest())
    await asyncio.sleep(_FIRST_S)
    while True:
        now = await client.control.Load(control.LoadRequest())
        document = load.document(before, now, sort)
        if not again:
            break
        screen.draw(_screen(document, sort, screen.live))
        before = now
        await asyncio.sleep(max(args.interval or _INTERVAL_S, _LEAST_S))
    rows = load.rows(document)
    output.show(
        args,
        rows,
        load.columns(rows),
        document=lambda: document,
        id=lambda row: row.values["id"],
        name=lambda row: row.name.strip(),
    )


_TABLES = ("table", "wide")


def _screen(document: load.Document, sort: str, live: bool) -> list[str]:
    """Return the lines of the screen; a live one has as many rows as fit."""
    columns, height = screen_size()
    rows = load.rows(document)
    room = height - _FRAME if live else len(rows)
    shown = rows if len(rows) <= room else rows[: max(1, room - 1)]
    head = one_line(f"{load.summary(document)}; sorted by {sort}; Ctrl-C ends")
    lines = [head, *table.lines(load.columns(rows), shown, width=columns - 1)]
    if len(shown) < len(rows):
        lines.append(f"and {len(rows) - len(shown)} more rows")
    return lines


async def _processes(args: argparse.Namespace, client: "Client") -> None:
    from cri_shim.cli.messages import fields
    from cri_shim.pb import control_pb2 as control

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
