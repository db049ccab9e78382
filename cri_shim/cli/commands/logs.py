"""Show the log of a container.

The command reads the file itself, without the daemon, so it works only on the node.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.cli import daemon
from cri_shim.cli.arguments import CONTAINER, container_id, since
from cri_shim.errors import NotFound, Unavailable, WrongState

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client
    from cri_shim.wire.cri_log import LogEntry

_POLL_S = 0.2  # between two checks of a container whose log is followed


EXAMPLES = """
cri-shim logs -f web
cri-shim logs --tail 20 --since 1h30m default/web/main
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="follow the log")
    parser.add_argument("--tail", metavar="N", type=int, default=-1, help="the last N lines (all)")
    parser.add_argument(
        "--since", metavar="TIME", type=since, default=0,
        help="lines after this time (2025-01-31T12:00:00Z) or age (1h30m)",
    )  # fmt: skip
    parser.add_argument(
        "-t", "--timestamps", action="store_true", help="prefix lines with timestamps"
    )
    parser.add_argument("container", metavar="CONTAINER", type=container_id, help=CONTAINER)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.oci.log_file import LogQuery, read
    from cri_shim.pb import api_pb2 as api

    async with daemon.client(args) as client:
        request = api.ContainerStatusRequest(container_id=args.container)
        status = (await client.runtime.ContainerStatus(request)).status
        if not status.log_path:
            raise WrongState(f"container {status.id} has no log file")
        query = LogQuery(since=args.since, tail=args.tail if args.tail >= 0 else None)
        ending = asyncio.create_task(_ended(client, status.id)) if args.follow else None
        writer = _Writer(timestamps=args.timestamps)
        try:
            async for entry in read(Path(status.log_path), query, ending):
                writer.write(entry)
        finally:
            if ending is not None:
                ending.cancel()
    return 0


async def _ended(client: "Client", id: str) -> None:
    """Return when the container has ended or is gone; keep trying while the daemon is down."""
    from cri_shim.pb import api_pb2 as api

    request = api.ContainerStatusRequest(container_id=id)
    while True:
        try:
            answer = await client.runtime.ContainerStatus(request)
            if answer.status.state == api.CONTAINER_EXITED:
                return
        except NotFound:
            return
        except Unavailable:
            pass
        await asyncio.sleep(_POLL_S)


class _Writer:
    """Writes the entries of stdout to our stdout, and those of stderr to our stderr."""

    def __init__(self, *, timestamps: bool) -> None:
        self._timestamps = timestamps
        self._within = {"stdout": False, "stderr": False}  # whether a line is incomplete

    def write(self, entry: "LogEntry") -> None:
        to = (sys.stderr if entry.stream == "stderr" else sys.stdout).buffer
        if self._timestamps and not self._within[entry.stream]:
            to.write(entry.time.replace("+00:00", "Z").encode() + b" ")
        self._within[entry.stream] = entry.partial
        to.write(entry.written())
        to.flush()
