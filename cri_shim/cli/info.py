"""info: what a running daemon says of itself."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from cri_shim import config
from cri_shim.untrusted import one_line


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2
    from cri_shim.rpc.client import Client

    settings = config.load(args.config, args.overrides)
    async with Client(settings.server.socket) as client:
        answer = await client.control.Info(control_pb2.InfoRequest())
    facts = json.loads(answer.json)
    print(json.dumps(facts, indent=2) if args.json else "\n".join(outline(facts)))
    return 0


def outline(facts: Any, indent: str = "") -> Iterator[str]:
    """Format nested facts as indented `name: value` lines."""
    pairs = facts.items() if isinstance(facts, dict) else (("-", item) for item in facts)
    for name, value in pairs:
        label = "-" if name == "-" else f"{one_line(name)}:"
        if isinstance(value, dict | list) and value:
            yield f"{indent}{label}"
            yield from outline(value, indent + "  ")
        else:
            yield f"{indent}{label} {_scalar(value)}".rstrip()


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, {}, []) else one_line(value)
