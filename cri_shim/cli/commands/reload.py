"""Let the running daemon read its configuration again.

Shows which keys changed and when each takes effect: at once, for new pods, or at the next restart.
An error in a file changes nothing. Flags of the daemon keep their precedence over the files.
"""

import argparse
import json
from typing import Any

from cri_shim.cli import daemon, output
from cri_shim.cli.config_text import shown
from cri_shim.cli.table import Column

EXAMPLES = """
cri-shim reload
cri-shim reload -o json
cri-shim config --diff
"""

_EFFECTS = {
    "reload": "in force now",
    "reload, for new pods": "for new pods",
    "restart": "needs a restart",
}
COLUMNS: tuple[Column[dict[str, Any]], ...] = (
    Column("KEY", lambda change: change["key"]),
    Column("BEFORE", lambda change: shown(change["before"]), rank=2, cut=True),
    Column("AFTER", lambda change: shown(change["after"]), cut=True),
    Column("EFFECT", lambda change: _EFFECTS.get(change["takesEffect"], change["takesEffect"])),
    Column("ORIGIN", lambda change: change["origin"], rank=1),
)


def add(parser: argparse.ArgumentParser) -> None:
    output.add(parser, quiet=False)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args) as client:
        answer = await client.control.Reload(control.ReloadRequest())
    found = json.loads(answer.json)
    if not found["changes"] and args.output in ("table", "wide"):
        print("nothing changed")
        return 0
    output.show(
        args, found["changes"], COLUMNS,
        document=lambda: found, id=lambda change: change["key"], name=lambda change: change["key"],
    )  # fmt: skip
    return 0
