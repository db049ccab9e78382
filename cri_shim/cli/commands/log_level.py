"""Show or change the level of the running daemon's log."""

import argparse

from cri_shim.cli import daemon, output

LEVELS = ("debug", "info", "warning", "error")

EXAMPLES = """
cri-shim log-level
cri-shim log-level debug
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "level", nargs="?", default="", choices=("", *LEVELS), metavar="LEVEL",
        help=f"{', '.join(LEVELS)}; until the daemon ends or reloads; then the configuration's",
    )  # fmt: skip
    output.add_object(parser)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2 as control

    async with daemon.client(args) as client:
        answer = await client.control.SetLogLevel(control.SetLogLevelRequest(level=args.level))
    facts = {"level": answer.level, "before": answer.before}
    changed = answer.level != answer.before
    was = f" (it was {answer.before})" if changed else ""
    output.show_object(args, facts, lambda: f"log level: {answer.level}{was}")
    return 0
