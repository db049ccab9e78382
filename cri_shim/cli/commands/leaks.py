"""List unfinished work, and what on the node no record owns.

Shown is work that makes no progress: it has failed and is tried again, or nothing works on it. Work
that is being done is shown with --all. Then come the leftovers of `cri-shim check`. NEXT is what
the daemon will do. The exit code is 0, also if there are leaks.
"""

import argparse
from typing import Any

from cri_shim import config
from cri_shim.cli import comparing, output
from cri_shim.cli.listing import age
from cri_shim.cli.table import Column
from cri_shim.errors import Unavailable

EXAMPLES = """
cri-shim leaks
cri-shim leaks --all
cri-shim leaks -o json
"""


def add(parser: argparse.ArgumentParser) -> None:
    output.add(parser, quiet=False)
    output.add_json_flag(parser)
    parser.add_argument("-a", "--all", action="store_true", help="also work that is being done now")


async def run(args: argparse.Namespace) -> int:
    found = await comparing.leaks(args, config.load(args.config, args.overrides))
    rows = [row for row in found["leaks"] if args.all or row["leaks"]]
    columns: list[Column[dict[str, Any]]] = [
        Column("CLASS", lambda row: row["class"]),
        Column("OBJECT", lambda row: row["object"], cut=True),
        Column("SINCE", lambda row: age(int(row["since"] * 1e9)) if row["since"] else "-", rank=1),
        Column("NEXT", lambda row: row["next"], cut=True),
        Column("PATH", lambda row: row["path"], rank=2),
    ]
    output.show(
        args,
        rows,
        columns,
        document=lambda: rows,
        id=lambda row: row["id"],
        name=lambda row: row["object"],
    )
    if found["problems"]:
        raise Unavailable("; ".join(found["problems"]))
    return 0
