"""Show the running sessions of exec, attach and port-forward, or end some.

Probes of the kubelet (ExecSync) are no sessions; their number is told apart. A session also ends
after `streaming.idle_timeout` seconds without traffic.
"""

import argparse
import functools
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, exit_codes, listing, messages, output, which
from cri_shim.cli.arguments import any_id
from cri_shim.cli.table import Column

if TYPE_CHECKING:
    from cri_shim.pb import control_pb2 as control
    from cri_shim.rpc.client import Client

EXAMPLES = """
cri-shim sessions
cri-shim sessions -o json
cri-shim sessions end 4f0c1a
"""


def _who(session: "control.Session") -> str:
    peer = session.peer
    if not session.HasField("peer"):
        return "-"
    program = peer.program.rpartition("/")[2] or "ended"
    return f"user {peer.uid}, {program} ({peer.pid})"


COLUMNS: "tuple[Column[control.Session], ...]" = (
    Column("SESSION", lambda s: s.id),
    Column("KIND", lambda s: s.purpose),
    Column("OBJECT", lambda s: s.name, cut=True),
    Column("STARTED", lambda s: listing.age(s.started_at), rank=2),
    Column("QUIET", lambda s: f"{s.quiet_s:.0f} s", rank=1),
    Column("ASKED BY", _who, rank=3),
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", nargs="*", metavar="end ID", type=any_id,
        help="end sessions: their IDs or unique prefixes; without it, all are listed",
    )  # fmt: skip
    output.add(parser)


async def run(args: argparse.Namespace) -> int:
    if args.words:
        return await _end(args)
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args) as client:
        found = await client.control.ListSessions(control.ListSessionsRequest())
    output.show(
        args, list(found.sessions), COLUMNS,
        document=lambda: messages.fields(found), id=lambda s: s.id, name=lambda s: s.id,
    )  # fmt: skip
    if args.output in ("table", "wide") and not args.quiet:
        print(f"ExecSync: {found.exec_syncs_running} running, {found.exec_syncs_begun} so far")
    return exit_codes.OK


async def _end(args: argparse.Namespace) -> int:
    action, *ids = args.words
    if action != "end" or not ids:
        raise exit_codes.UsageError("to end sessions, name them: cri-shim sessions end ID")
    async with daemon.client(args) as client:
        return await which.each(ids, functools.partial(_end_one, client))


async def _end_one(client: "Client", id: str) -> None:
    from cri_shim.pb import control_pb2 as control

    await client.control.EndSession(control.EndSessionRequest(id=id))
    print(id)
